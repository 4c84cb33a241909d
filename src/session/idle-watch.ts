import type { Clock, Timer } from '../base/clock.js';

export interface IdleWatchParameters {
  readonly clock: Clock;
  /** How long a session may be unused, ms. */
  readonly timeoutMs: number;
  /** Somebody uses it at this very moment. */
  readonly isUsed: () => boolean;
  /** It was not used for as long as it may be. At most once. */
  readonly onIdle: () => void;
}

/** Notices that nobody uses a session any more. An open event stream or recording counts for as long as it is open. */
export class IdleWatch {
  readonly #parameters: IdleWatchParameters;
  #timeoutMs: number;
  #lastActivityUs: number;
  #timer: Timer | undefined;

  constructor(parameters: IdleWatchParameters) {
    this.#parameters = parameters;
    this.#lastActivityUs = parameters.clock.nowUs();
    this.#timeoutMs = parameters.timeoutMs;
    this.#lookIn(this.#timeoutMs);
  }

  touch(): void {
    this.#lastActivityUs = this.#parameters.clock.nowUs();
  }

  /** From now on it may be unused for no longer than this, ms. */
  shorten(timeoutMs: number): void {
    this.#timeoutMs = Math.min(this.#timeoutMs, timeoutMs);
    this.#timer?.cancel();
    this.touch();
    this.#lookIn(this.#timeoutMs);
  }

  /** Idempotent. */
  close(): void {
    this.#timer?.cancel();
  }

  #lookIn(delayMs: number): void {
    const { clock, isUsed, onIdle } = this.#parameters;
    this.#timer = clock.after(delayMs, () => {
      if (isUsed()) this.touch();
      const idleMs = (clock.nowUs() - this.#lastActivityUs) / 1000;
      if (idleMs < this.#timeoutMs) this.#lookIn(Math.ceil(this.#timeoutMs - idleMs));
      else onIdle();
    });
  }
}
