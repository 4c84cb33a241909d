import { describe, expect, it } from 'vitest';

import { addSequence, sequenceDistance, unwrapSequence } from '../../../src/fanout/sequence-number.js';
import { SequenceRuns } from '../../../src/fanout/sequence-runs.js';

describe('sequence numbers', () => {
  it('wrap at 2^16 in both directions', () => {
    expect(addSequence(65_535, 1)).toBe(0);
    expect(addSequence(0, -1)).toBe(65_535);
    expect(sequenceDistance(65_535, 1)).toBe(2);
    expect(sequenceDistance(1, 65_535)).toBe(-2);
  });

  it('unwrap to the count that is near', () => {
    expect(unwrapSequence(65_535, 65_536)).toBe(65_535);
    expect(unwrapSequence(2, 65_534)).toBe(65_538);
    expect(unwrapSequence(5, 3 * 65_536 + 4)).toBe(3 * 65_536 + 5);
  });
});

describe('SequenceRuns', () => {
  it('numbers without a gap over frames that were not sent, and finds the packets again', () => {
    const runs = new SequenceRuns(100);
    const packets = [0, 1, 2, 10, 11, 50];
    expect(packets.map((packet) => runs.take(packet, 0))).toEqual([100, 101, 102, 103, 104, 105]);
    expect([100, 101, 102, 103, 104, 105].map((number) => runs.packetOf(number))).toEqual(packets);
  });

  it('knows nothing of numbers before the first and after the last', () => {
    const runs = new SequenceRuns(100);
    runs.take(0, 0);
    expect(runs.packetOf(99)).toBeUndefined();
    expect(runs.packetOf(101)).toBeUndefined();
  });

  it('works across the wrap', () => {
    const runs = new SequenceRuns(32_000);
    for (let packet = 0; packet < 70_000; packet += 1) {
      runs.take(packet, 0);
    }
    const last = addSequence(32_000, 69_999);
    expect(runs.packetOf(last)).toBe(69_999);
    expect(runs.packetOf(addSequence(last, -500))).toBe(69_499);
  });

  it('forgets runs that lie before the history', () => {
    const runs = new SequenceRuns(0);
    for (let i = 0; i < 1000; i += 1) {
      runs.take(i * 2, Math.max(0, i * 2 - 20));
    }
    expect(runs.packetOf(999)).toBe(1998);
    expect(runs.packetOf(0)).toBeUndefined();
  });
});
