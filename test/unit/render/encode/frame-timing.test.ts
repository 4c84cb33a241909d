import { expect, it } from 'vitest';

import type { EncodedFrame } from '../../../../src/render/encode/encoded-frame.js';
import { FrameTiming } from '../../../../src/render/encode/frame-timing.js';

/** Captured at `atUs`, read 20 ms later, encoded in `encodeMs`. */
function frame(atUs: number, encodeMs: number, repeated = false): EncodedFrame {
  const readTimeUs = atUs + 20_000;
  const encodedTimeUs = readTimeUs + encodeMs * 1000;
  const bytes = new Uint8Array();
  return {
    ...{ codec: 'h264', bytes, keyframe: false, rtpTimestamp: 0, rung: 0 },
    ...{ captureTimeUs: atUs, readTimeUs, encodedTimeUs, repeated },
  };
}

it('tells the mean and the longest of each stage, of the last second', () => {
  const timing = new FrameTiming();
  const add = (atUs: number, encodeMs: number): void => {
    const encoded = frame(atUs, encodeMs);
    timing.add(encoded, encoded.encodedTimeUs + 500);
  };
  add(0, 100);
  add(5_000_000, 4);
  add(5_033_000, 8);
  expect(timing.read(5_100_000)).toEqual({
    capture: { meanMs: 20, maxMs: 20 },
    encode: { meanMs: 6, maxMs: 8 },
    send: { meanMs: 0.5, maxMs: 0.5 },
  });
  expect(timing.read(9_000_000)).toBeUndefined();
});

it('leaves out pictures that were encoded once more', () => {
  const timing = new FrameTiming();
  timing.add(frame(0, 4, true), 30_000);
  expect(timing.read(30_000)).toBeUndefined();
});

it('holds the newest pictures only', () => {
  const timing = new FrameTiming();
  for (let index = 0; index < 1000; index++) timing.add(frame(index, index < 900 ? 50 : 5), 100_000);
  expect(timing.read(100_000)?.encode).toEqual({ meanMs: 5, maxMs: 5 });
});
