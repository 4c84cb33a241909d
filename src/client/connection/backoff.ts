/** Waits between reconnections: exponential from the server's `retry`, bounded, with jitter. */
export class Backoff {
  readonly #maxMs: number;
  readonly #random: () => number;
  #baseMs: number;
  #attempt = 0;

  /**
   * @param baseMs First wait. Default 1000.
   * @param maxMs Longest wait. Default 10 000.
   * @param random Uniform in [0, 1). Default Math.random.
   */
  constructor(baseMs = 1000, maxMs = 10_000, random: () => number = Math.random) {
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** Takes over the server's `retry` as the first wait; zero would make a busy loop. */
  setBaseMs(baseMs: number): void {
    this.#baseMs = Math.max(50, baseMs);
  }

  /** Begins anew after a connection that worked. */
  reset(): void {
    this.#attempt = 0;
  }

  /** The next wait: between half and all of the exponential step, so that viewers do not return in step. */
  nextMs(): number {
    const stepMs = Math.min(this.#maxMs, this.#baseMs * 2 ** Math.min(this.#attempt, 16));
    this.#attempt++;
    return stepMs * (0.5 + this.#random() * 0.5);
  }
}
