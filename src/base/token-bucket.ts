import type { Clock } from './clock.js';

/** So much at once, and so much a second. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #atUs: number;

  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#atUs = clock.nowUs();
  }

  /** False, and nothing is taken, where there is not as much. */
  take(count: number): boolean {
    const nowUs = this.#clock.nowUs();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowUs - this.#atUs) / 1e6) * this.#perSecond);
    this.#atUs = nowUs;
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }
}
