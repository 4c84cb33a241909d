import type { Clock, Timer } from './clock.js';
import { StreamKitError } from './errors.js';

/** Gives a launch up that takes too long. */
export class LaunchLimit {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #launching: AbortController;
  #timer: Timer;

  /** @param launching - is aborted with `capture_failed` after so many ms. */
  constructor(clock: Clock, limitMs: number, launching: AbortController) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#launching = launching;
    this.#timer = this.#start();
  }

  /** It begins only now: how long it has waited for its turn says nothing of the page. */
  restart(): void {
    this.#timer.cancel();
    this.#timer = this.#start();
  }

  /** Idempotent. */
  cancel(): void {
    this.#timer.cancel();
  }

  #start(): Timer {
    const limitMs = this.#limitMs;
    return this.#clock.after(limitMs, () =>
      this.#launching.abort(
        new StreamKitError('capture_failed', `The page was not ready within ${limitMs} ms`),
      ),
    );
  }
}
