import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';

export interface RateLimit {
  /** What a caller may do on and on. */
  readonly perSecond: number;
  /** What it may do at once after a pause. */
  readonly burst: number;
}

/**
 * Most callers remembered. When there is one more, the one that was not seen for longest is forgotten and may begin anew:
 * who has so many addresses would not be held up by the limit of each of them, and nobody else is held up instead.
 */
export const MAX_REMEMBERED_CALLERS = 10_000;

/**
 * Holds each caller to a rate, as a token bucket does. What is kept of one is the time at which its bucket would be full
 * again (the generic cell rate algorithm), so nothing needs to be refilled by a timer.
 */
export class RateLimiter {
  readonly #intervalUs: number;
  readonly #burstUs: number;
  readonly #clock: Clock;
  /** By caller, the one that was seen last at the end. */
  readonly #fullAtUs = new Map<string, number>();
  #refused = 0;

  constructor({ perSecond, burst }: RateLimit, clock: Clock) {
    this.#intervalUs = 1_000_000 / perSecond;
    this.#burstUs = this.#intervalUs * burst;
    this.#clock = clock;
  }

  /** How often {@link take} threw. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * Takes one from a caller's bucket.
   *
   * @param what - for the sentence: what there are too many of.
   * @throws StreamKitError `at_capacity` with `Retry-After` where it is empty; then nothing is taken.
   */
  take(caller: string, what: string): void {
    const fullAtUs = this.#fullAtWith(caller, what);
    this.#remember(caller, fullAtUs);
  }

  /** Undoes one {@link take}. */
  giveBack(caller: string): void {
    const fullAtUs = this.#fullAtUs.get(caller);
    if (fullAtUs !== undefined) this.#fullAtUs.set(caller, fullAtUs - this.#intervalUs);
  }

  /** Counts a refusal of others. @returns what {@link take} throws. */
  refuse(what: string, waitMs: number): StreamKitError {
    this.#refused += 1;
    const headers = { 'Retry-After': String(Math.ceil(waitMs / 1000)) };
    return new StreamKitError('at_capacity', `Too many ${what} from this caller`, { headers });
  }

  /** As {@link take}, but takes nothing. */
  check(caller: string, what: string): void {
    this.#fullAtWith(caller, what);
  }

  /** When the bucket would be full again if one more were taken. @throws StreamKitError as {@link take}. */
  #fullAtWith(caller: string, what: string): number {
    const nowUs = this.#clock.nowUs();
    const before = Math.max(nowUs, this.#fullAtUs.get(caller) ?? 0);
    const waitUs = before + this.#intervalUs - nowUs - this.#burstUs;
    // Below a microsecond it is what sums of fractions are off by.
    if (waitUs < 1) return before + this.#intervalUs;
    this.#remember(caller, before);
    throw this.refuse(what, waitUs / 1000);
  }

  #remember(caller: string, fullAtUs: number): void {
    this.#fullAtUs.delete(caller);
    this.#fullAtUs.set(caller, fullAtUs);
    const [oldest] = this.#fullAtUs.keys();
    if (this.#fullAtUs.size > MAX_REMEMBERED_CALLERS && oldest !== undefined) this.#fullAtUs.delete(oldest);
  }
}
