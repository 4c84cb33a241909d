import { describe, expect, it } from 'vitest';
import { StatsSampler } from '../../../../src/client/diagnose/stats-sampler.js';

function report(timestamp: number, bytes: number, frames: number, delayS: number): Map<string, unknown> {
  const entries = [
    { id: 'C', type: 'codec', mimeType: 'video/H264', timestamp },
    { id: 'T', type: 'transport', selectedCandidatePairId: 'P', timestamp },
    { id: 'P', type: 'candidate-pair', currentRoundTripTime: 0.012, timestamp },
    {
      id: 'V',
      type: 'inbound-rtp',
      kind: 'video',
      codecId: 'C',
      timestamp,
      bytesReceived: bytes,
      frameWidth: 1280,
      frameHeight: 720,
      framesPerSecond: 30,
      framesDropped: 2,
      jitterBufferDelay: delayS,
      jitterBufferEmittedCount: frames,
    },
    { id: 'A', type: 'inbound-rtp', kind: 'audio', timestamp, bytesReceived: bytes / 10 },
  ];
  return new Map(entries.map((entry) => [entry.id, entry]));
}

describe('StatsSampler', () => {
  it('derives rates between two calls', () => {
    const sampler = new StatsSampler();
    expect(sampler.sample(report(1000, 1000, 10, 0.1)).bitrateBps).toBeUndefined();
    const stats = sampler.sample(report(2000, 101_000, 40, 0.4));
    expect(stats).toMatchObject({
      codec: 'H264',
      width: 1280,
      height: 720,
      framesPerSecond: 30,
      framesDropped: 2,
      rttMs: 12,
      bitrateBps: 880_000,
    });
    expect(stats.jitterBufferMs).toBeCloseTo(10);
  });

  it('counts the lost among the packets that came at first, not among repeats and repair packets', () => {
    const totals = (timestamp: number, first: number, repeated: number, lost: number): Map<string, unknown> =>
      new Map([
        [
          'V',
          {
            id: 'V',
            type: 'inbound-rtp',
            kind: 'video',
            timestamp,
            packetsReceived: first + 2 * repeated,
            retransmittedPacketsReceived: repeated,
            fecPacketsReceived: repeated,
            packetsLost: lost,
          },
        ],
      ]);
    const sampler = new StatsSampler();
    sampler.sample(totals(1000, 100, 20, 0));
    expect(sampler.sample(totals(2000, 190, 120, 10)).recent).toMatchObject({
      packetsReceived: 90,
      lossRatio: 0.1,
    });
  });

  it('says nothing where there is nothing', () => {
    expect(new StatsSampler().sample(new Map())).toMatchObject({ codec: undefined, bitrateBps: undefined });
  });
});
