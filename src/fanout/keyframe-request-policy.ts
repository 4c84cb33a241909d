import type { Clock, Timer } from '../base/clock.js';

/**
 * Coalesces the keyframe requests of all viewers of one source. The first goes out at once, then at most one an
 * interval: a request during the interval goes out at its end, unless a keyframe has passed in between.
 */
export class KeyframeRequestPolicy {
  #interval: Timer | undefined;
  #pending = false;
  #closed = false;

  readonly #clock: Clock;
  readonly #intervalMinMs: number;
  readonly #onKeyframeWanted: () => void;
  constructor(clock: Clock, intervalMinMs: number, onKeyframeWanted: () => void) {
    this.#clock = clock;
    this.#intervalMinMs = intervalMinMs;
    this.#onKeyframeWanted = onKeyframeWanted;
  }

  request(): void {
    if (this.#closed) {
      return;
    }
    if (this.#interval !== undefined) {
      this.#pending = true;
      return;
    }
    this.#pending = false;
    // The timer first: the callback may well produce a keyframe, or another request, before it returns.
    this.#interval = this.#clock.after(this.#intervalMinMs, () => {
      this.#interval = undefined;
      if (this.#pending) {
        this.request();
      }
    });
    this.#onKeyframeWanted();
  }

  /** A keyframe is being sent: whoever has asked for one until now has it. */
  keyframePassed(): void {
    this.#pending = false;
  }

  close(): void {
    this.#closed = true;
    this.#pending = false;
    this.#interval?.cancel();
    this.#interval = undefined;
  }
}
