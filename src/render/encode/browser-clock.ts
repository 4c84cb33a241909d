/** Times within which the least delay is looked for. */
const WINDOW = 200;
/** What arrives takes no longer than this on its way at least now and then, and is never from the future by more, µs. */
const MOST_LATENCY_US = 250_000;
const MOST_LEAD_US = 20_000;

/** A moment on both clocks of this process, µs. */
export interface Moment {
  readonly monotonicUs: number;
  readonly wallUs: number;
}

/**
 * Maps wall-clock times of the browser to the monotonic clock of this process. Each of the two processes reads the wall clock
 * once, when it starts, and counts on from there: if the machine's clock was set in between, they differ for good.
 */
export class BrowserClock {
  readonly #latenciesUs: number[] = [];
  #nextIndex = 0;

  /**
   * @param wallUs - by the browser's wall clock.
   * @param now - when it was read here.
   * @returns monotonic µs
   */
  monotonicUs(wallUs: number, now: Moment): number {
    const latencyUs = now.wallUs - wallUs;
    this.#latenciesUs[this.#nextIndex] = latencyUs;
    this.#nextIndex = (this.#nextIndex + 1) % WINDOW;
    const leastUs = Math.min(...this.#latenciesUs);
    const differUs = leastUs < -MOST_LEAD_US || leastUs > MOST_LATENCY_US ? leastUs : 0;
    return now.monotonicUs - (latencyUs - differUs);
  }
}
