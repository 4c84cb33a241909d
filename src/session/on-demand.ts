import type { Clock, Timer } from '../base/clock.js';

export interface OnDemandParameters {
  readonly clock: Clock;
  /** How long it goes on running with no holder, ms: a viewer that reloads finds it warm. */
  readonly graceMs: number;
  /** It runs already, and stops after the grace time unless somebody holds it. */
  readonly running: boolean;
  start(): void;
  stop(): void;
}

/** What somebody needs and something runs for. */
export interface Need {
  hold(): void;
  /** Once for each {@link hold}. */
  release(): void;
}

/** Something costly that runs while at least one holder wants it. */
export class OnDemand implements Need {
  readonly #parameters: OnDemandParameters;
  #holders = 0;
  #running: boolean;
  #stopTimer: Timer | undefined;

  constructor(parameters: OnDemandParameters) {
    this.#parameters = parameters;
    this.#running = parameters.running;
    if (this.#running) this.#stopAfterGrace();
  }

  get running(): boolean {
    return this.#running;
  }

  hold(): void {
    this.#holders += 1;
    this.#stopTimer?.cancel();
    this.#stopTimer = undefined;
    if (this.#running) return;
    this.#running = true;
    this.#parameters.start();
  }

  /** Once for each {@link hold}. */
  release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.#stopAfterGrace();
  }

  /** Whoever closes what runs calls this first, so that no timer is left. */
  close(): void {
    this.#stopTimer?.cancel();
    this.#stopTimer = undefined;
    this.#running = false;
  }

  #stopAfterGrace(): void {
    if (!this.#running) return;
    this.#stopTimer = this.#parameters.clock.after(this.#parameters.graceMs, () => {
      this.#stopTimer = undefined;
      this.#running = false;
      this.#parameters.stop();
    });
  }
}
