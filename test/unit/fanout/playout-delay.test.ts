import { describe, expect, it } from 'vitest';

import { PlayoutDelay } from '../../../src/fanout/playout-delay.js';

const SECOND_US = 1_000_000;

describe('PlayoutDelay', () => {
  it('is a round trip and 20 ms from 2 % loss on, and ends 15 s after the last loss', () => {
    const delay = new PlayoutDelay();
    delay.onReport(0.01, 51, 0);
    expect(delay.ms).toBe(0);
    // As a report has it, in 256ths rounded down.
    delay.onReport(5 / 256, 51, SECOND_US);
    expect(delay.ms).toBe(70);
    for (let second = 2; second < 16; second += 1) {
      delay.onReport(0, 51, second * SECOND_US);
      expect(delay.ms).toBe(70);
    }
    delay.onReport(0, 51, 16 * SECOND_US);
    expect(delay.ms).toBe(0);
  });

  it('follows the shortest of the last four round trips, up to 200 ms', () => {
    const delay = new PlayoutDelay();
    for (const rttMs of [51, 70, 60, 49, 75]) {
      delay.onReport(0.05, rttMs, 0);
      expect(delay.ms).toBe(70);
    }
    const slow = new PlayoutDelay();
    slow.onReport(0.05, 480, 0);
    expect(slow.ms).toBe(200);
    const unknown = new PlayoutDelay();
    unknown.onReport(0.05, undefined, 0);
    expect(unknown.ms).toBe(20);
  });

  it('follows a round trip that is longer for good after at most 20 s', () => {
    const delay = new PlayoutDelay();
    let second = 0;
    for (; second < 30; second += 1) delay.onReport(0.05, 50, second * SECOND_US);
    expect(delay.ms).toBe(70);
    // As if the link were full, until the shorter ones are forgotten.
    for (; second < 51; second += 1) delay.onReport(0.05, 90, second * SECOND_US);
    expect(delay.ms).toBe(110);
    for (; second < 120; second += 1) {
      delay.onReport(0.05, 90, second * SECOND_US);
      expect(delay.ms).toBe(110);
    }
  });

  it('is not raised by what a full link loses, of which the round trip tells', () => {
    const delay = new PlayoutDelay();
    delay.onReport(0, 50, 0);
    delay.onReport(0.3, 200, SECOND_US);
    expect(delay.ms).toBe(0);
    delay.onReport(0.3, 60, 2 * SECOND_US);
    expect(delay.ms).toBe(70);
  });
});
