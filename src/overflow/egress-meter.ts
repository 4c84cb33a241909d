import type { Clock, Timer } from '../base/clock.js';

const INTERVAL_MS = 1000;
/** Over how many intervals the rate is taken. A viewer that was just let in shows in it after that long. */
const INTERVALS = 3;
const US_PER_SECOND = 1e6;

interface Sample {
  readonly atUs: number;
  readonly bytes: number;
}

/** How much a server sends to all its viewers. */
export class EgressMeter {
  readonly #readBytes: () => number;
  readonly #clock: Clock;
  #samples: Sample[] = [];
  #timer: Timer | undefined;
  #holds = 0;
  /** What was let in and cannot show yet. */
  #expected: { readonly atUs: number; readonly bps: number }[] = [];

  /** @param readBytes - all that was ever sent. */
  constructor(readBytes: () => number, clock: Clock) {
    this.#readBytes = readBytes;
    this.#clock = clock;
  }

  /** Of the last seconds, and what is to be expected of those who were just let in, bits/s. */
  get bps(): number {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    this.#forgetExpected();
    const expectedBps = this.#expected.reduce((sum, { bps }) => sum + bps, 0);
    if (first === undefined || last === undefined || first === last) return expectedBps;
    const seconds = (last.atUs - first.atUs) / US_PER_SECOND;
    return ((last.bytes - first.bytes) * 8) / seconds + expectedBps;
  }

  /** One more viewer is served from here. */
  expect(bps: number): void {
    this.#expected.push({ atUs: this.#clock.nowUs(), bps });
  }

  /** Measures until it was released as often. @returns releases it; idempotent. */
  hold(): () => void {
    this.#holds += 1;
    if (this.#holds === 1) {
      this.#sample();
      this.#timer = this.#clock.every(INTERVAL_MS, () => this.#sample());
    }
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holds -= 1;
      if (this.#holds > 0) return;
      this.#timer?.cancel();
      this.#samples = [];
      this.#expected = [];
    };
  }

  /** What was let in so long ago that it shows. */
  #forgetExpected(): void {
    const fromUs = this.#clock.nowUs() - INTERVALS * INTERVAL_MS * 1000;
    this.#expected = this.#expected.filter(({ atUs }) => atUs > fromUs);
  }

  #sample(): void {
    this.#forgetExpected();
    const sample = { atUs: this.#clock.nowUs(), bytes: this.#readBytes() };
    this.#samples = [...this.#samples.slice(-INTERVALS), sample];
  }
}
