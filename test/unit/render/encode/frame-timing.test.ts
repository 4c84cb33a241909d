import { expect, it } from 'vitest';

import type { FrameRecord } from '../../../../src/render/encode/frame-record.js';
import { FrameTiming } from '../../../../src/render/encode/frame-timing.js';

/** Captured at `atUs`, read 20 ms later, encoded in `encodeMs`, sent half a millisecond later unless told otherwise. */
function frame(atUs: number, encodeMs: number, more: Partial<FrameRecord> = {}): FrameRecord {
  const readTimeUs = atUs + 20_000;
  const encodedTimeUs = readTimeUs + encodeMs * 1000;
  return {
    ...{ bytes: 1, keyframe: false, rtpTimestamp: 0, repeated: false },
    ...{ captureTimeUs: atUs, readTimeUs, encodedTimeUs, sentTimeUs: encodedTimeUs + 500 },
    ...more,
  };
}

it('tells the mean and the longest of each stage, of the last second', () => {
  const timing = new FrameTiming();
  timing.add(frame(0, 100));
  timing.add(frame(5_000_000, 4));
  timing.add(frame(5_033_000, 8));
  expect(timing.read(5_100_000)).toEqual({
    capture: { meanMs: 20, maxMs: 20 },
    encode: { meanMs: 6, maxMs: 8 },
    send: { meanMs: 0.5, maxMs: 0.5 },
  });
  expect(timing.read(9_000_000)).toBeUndefined();
});

it('leaves out pictures that were encoded once more', () => {
  const timing = new FrameTiming();
  timing.add(frame(0, 4, { repeated: true }));
  expect(timing.read(30_000)).toBeUndefined();
});

it('holds the newest pictures only', () => {
  const timing = new FrameTiming();
  for (let index = 0; index < 1000; index++) {
    timing.add(frame(index, index < 900 ? 50 : 5, { sentTimeUs: 100_000 }));
  }
  expect(timing.read(100_000)?.encode).toEqual({ meanMs: 5, maxMs: 5 });
});
