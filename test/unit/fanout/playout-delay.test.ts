import { describe, expect, it } from 'vitest';

import { PlayoutDelay } from '../../../src/fanout/playout-delay.js';

const SECOND_US = 1_000_000;

/** A viewer whose reports are of 200 packets each. */
class Viewer {
  readonly delay = new PlayoutDelay();
  #highestSequence = 0xff_ff_ff_00;
  #packetsLost = 0;

  constructor() {
    this.reports(0, undefined, 0);
  }

  reports(lost: number, rttMs: number | undefined, nowUs: number, packets = 200): void {
    this.#highestSequence = (this.#highestSequence + packets) >>> 0;
    this.#packetsLost += lost;
    this.delay.onReport(
      { highestSequence: this.#highestSequence, packetsLost: this.#packetsLost },
      rttMs,
      nowUs,
    );
  }
}

describe('PlayoutDelay', () => {
  it('is a round trip and 20 ms from more than 2 % loss on, and ends 15 s after the last loss', () => {
    const viewer = new Viewer();
    viewer.reports(4, 51, 0);
    expect(viewer.delay.ms).toBe(0);
    viewer.reports(20, 51, SECOND_US);
    expect(viewer.delay.ms).toBe(70);
    for (let second = 2; second < 16; second += 1) {
      viewer.reports(0, 51, second * SECOND_US);
      expect(viewer.delay.ms).toBe(70);
    }
    viewer.reports(0, 51, 18 * SECOND_US);
    expect(viewer.delay.ms).toBe(0);
  });

  it('is not raised by packets that are late, or lost now and then', () => {
    const viewer = new Viewer();
    for (let second = 0; second < 60; second += 1) {
      // A report beside a NACK, of the few packets since the last; what it misses comes before the next report.
      viewer.reports(1, 50, second * SECOND_US + 80_000, 20);
      expect(viewer.delay.ms).toBe(0);
      viewer.reports(-1, 50, second * SECOND_US + 900_000, 230);
      expect(viewer.delay.ms).toBe(0);
      viewer.reports(second % 2, 50, second * SECOND_US + 920_000, 5);
      expect(viewer.delay.ms).toBe(0);
    }
  });

  it('follows the shortest of the last four round trips, up to 200 ms', () => {
    const viewer = new Viewer();
    for (const rttMs of [51, 70, 60, 49, 75]) {
      viewer.reports(20, rttMs, 0);
      expect(viewer.delay.ms).toBe(70);
    }
    const slow = new Viewer();
    slow.reports(20, 480, 0);
    expect(slow.delay.ms).toBe(200);
    const unknown = new Viewer();
    unknown.reports(20, undefined, 0);
    expect(unknown.delay.ms).toBe(20);
  });

  it('follows a round trip that is longer for good after at most 20 s', () => {
    const viewer = new Viewer();
    let second = 0;
    for (; second < 30; second += 1) viewer.reports(20, 50, second * SECOND_US);
    expect(viewer.delay.ms).toBe(70);
    // As if the link were full, until the shorter ones are forgotten.
    for (; second < 51; second += 1) viewer.reports(20, 90, second * SECOND_US);
    expect(viewer.delay.ms).toBe(110);
    for (; second < 120; second += 1) {
      viewer.reports(20, 90, second * SECOND_US);
      expect(viewer.delay.ms).toBe(110);
    }
  });

  it('is not raised by what a full link loses, of which the round trip tells', () => {
    const viewer = new Viewer();
    viewer.reports(0, 50, 0);
    viewer.reports(60, 200, SECOND_US);
    expect(viewer.delay.ms).toBe(0);
    viewer.reports(60, 60, 2 * SECOND_US);
    expect(viewer.delay.ms).toBe(70);
  });
});
