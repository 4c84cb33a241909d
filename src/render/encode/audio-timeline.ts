/** Chunks within which the least delay is looked for: 2 s of chunks of 10 ms. */
const WINDOW_CHUNKS = 200;
/** A jump larger than this is real: a pause, a seek of the timeline, lost chunks. */
const RESYNC_US = 20_000;

/**
 * Maps the browser's audio timeline, whose origin is unknown, to the monotonic clock. A chunk cannot arrive before
 * it is over, so the least difference between arrival and end is taken as the origin.
 */
export class AudioTimeline {
  readonly #latencyUs: number;
  readonly #differencesUs: number[] = [];
  #nextIndex = 0;
  #offsetUs: number | undefined;

  /** @param latencyUs - how long sound is known to travel from the page to its arrival, µs. */
  constructor(latencyUs: number) {
    this.#latencyUs = latencyUs;
  }

  /**
   * When the chunk's first sample was played in the page, monotonic µs.
   * @param arrivalUs - monotonic µs.
   */
  captureTimeUs(timestampUs: number, durationUs: number, arrivalUs: number): number {
    this.#differencesUs[this.#nextIndex] = arrivalUs - timestampUs - durationUs;
    this.#nextIndex = (this.#nextIndex + 1) % WINDOW_CHUNKS;
    const leastUs = Math.min(...this.#differencesUs);
    // The estimate improves as quiet moments pass; it moves only when it was off by something that could be heard.
    if (this.#offsetUs === undefined || Math.abs(leastUs - this.#offsetUs) > RESYNC_US)
      this.#offsetUs = leastUs;
    return timestampUs + this.#offsetUs - this.#latencyUs;
  }

  /** Forgets all: the timeline may have another origin from now on. */
  reset(): void {
    this.#differencesUs.length = 0;
    this.#nextIndex = 0;
    this.#offsetUs = undefined;
  }
}
