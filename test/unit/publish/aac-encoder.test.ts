import { AV_LOG_FATAL } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { AacEncoder } from '../../../src/publish/aac-encoder.js';
import { OPUS_HEAD } from '../../../src/recording/media-file.js';

const RATE_HZ = 48_000;
/** Samples of one packet of AAC. */
const FRAME = 1024;
/** Samples by which sound may be off without a gap. */
const TOLERANCE = 0.04 * RATE_HZ;

/** Silence of 20 ms for each frame: CELT, full band, stereo; several frames of one size (RFC 6716 section 3.2.5). */
function silence(frames: number): Uint8Array {
  const frame = [0xff, 0xfe];
  const content = Array.from({ length: frames }, () => frame).flat();
  return Uint8Array.from(frames === 1 ? [0xfc, ...content] : [0xff, frames, ...content]);
}

describe('sound as AAC', () => {
  let encoder: AacEncoder;
  /** Of what came out, in samples. */
  let times: number[];

  beforeEach(() => {
    Log.setLevel(AV_LOG_FATAL);
    encoder = new AacEncoder(OPUS_HEAD);
    times = [];
  });

  afterEach(() => encoder.close());

  /** Encodes a second of sound. @returns when it ends, ms. */
  function second(startMs: number, frames = 1): number {
    const packetMs = frames * 20;
    const endMs = startMs + Math.floor(1000 / packetMs) * packetMs;
    for (let timeMs = startMs; timeMs < endMs; timeMs += packetMs) {
      encoder.encode(silence(frames), timeMs * 1000, ({ pts }) => times.push(Number(pts)));
    }
    return endMs;
  }

  /** From each packet to the next, in samples. */
  const steps = (): number[] => times.slice(1).map((time, index) => time - (times[index] ?? NaN));

  /** The encoder holds back less than two packets of its own. */
  function expectEnd(endMs: number): void {
    const heldBack = (endMs / 1000) * RATE_HZ - (times.at(-1) ?? NaN) - FRAME;
    expect(heldBack).toBeGreaterThanOrEqual(-TOLERANCE);
    expect(heldBack).toBeLessThan(2 * FRAME + TOLERANCE);
  }

  it.each([
    [20, 1],
    [60, 3],
    [120, 6],
  ])('of packets of %i ms has no gaps', (_ms, frames) => {
    const endMs = second(second(100, frames), frames);
    expect(times[0]).toBe(0.1 * RATE_HZ - FRAME);
    expect(new Set(steps())).toEqual(new Set([FRAME]));
    expectEnd(endMs);
  });

  it('has one gap where packets are missing, and goes on at the right time', () => {
    const holeMs = 700;
    const endMs = second(second(100) + holeMs);
    const gaps = steps().filter((step) => step !== FRAME);
    expect(gaps).toHaveLength(1);
    const hole = (holeMs / 1000) * RATE_HZ;
    expect(Math.abs((gaps[0] ?? NaN) - FRAME - hole)).toBeLessThanOrEqual(TOLERANCE);
    expectEnd(endMs);
  });

  it('has no gap where packets are late by less than 40 ms', () => {
    second(second(100) + 30);
    expect(new Set(steps())).toEqual(new Set([FRAME]));
  });

  it('does not go back when the times of its packets do', () => {
    const endMs = second(100);
    second(endMs - 500);
    expect(new Set(steps())).toEqual(new Set([FRAME]));
    // All of it is there.
    expectEnd(endMs + 1000);
  });
});
