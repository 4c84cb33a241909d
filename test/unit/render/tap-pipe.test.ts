import { PassThrough } from 'node:stream';

import { expect, it } from 'vitest';

import type { EncodedFrame } from '../../../src/render/encode/encoded-frame.js';
import {
  MAX_TAP_ENTRY_BYTES,
  readTapPipe,
  TapPipeWriter,
  type TapEntry,
} from '../../../src/render/tap-pipe.js';

const frame = (keyframe: boolean, bytes = 100): EncodedFrame => ({
  codec: 'vp8',
  bytes: new Uint8Array(bytes).fill(7),
  keyframe,
  repeated: false,
  rung: 0 as const,
  rtpTimestamp: 0xffff_fffe,
  captureTimeUs: 123_456_789_012,
  readTimeUs: 123_456_789_013,
  encodedTimeUs: 123_456_789_014,
});

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function read(stream: PassThrough): { entries: TapEntry[]; faults: number } {
  const result = { entries: [] as TapEntry[], faults: 0 };
  readTapPipe(
    stream,
    (entry) => void result.entries.push(entry),
    () => void result.faults++,
  );
  return result;
}

it.each([1, 47, 48, 49, 1000])('carries frames, sound and answers in pieces of %i bytes', async (size) => {
  const pipe = new PassThrough();
  const writer = new TapPipeWriter(pipe);
  const packet = { codec: 'opus' as const, bytes: Uint8Array.of(1, 2, 3), rtpTimestamp: 5, captureTimeUs: 6 };
  writer.writeFrame(frame(true));
  writer.writeAudio(packet);
  writer.writeBlob(4_000_000_000, Uint8Array.of(9));
  const bytes = pipe.read() as Buffer;
  const cut = new PassThrough();
  const result = read(cut);
  for (let at = 0; at < bytes.length; at += size) cut.write(bytes.subarray(at, at + size));
  await settled();
  expect(result).toEqual({
    entries: [
      { type: 'video', frame: frame(true) },
      { type: 'audio', packet },
      { type: 'blob', id: 4_000_000_000, bytes: Uint8Array.of(9) },
    ],
    faults: 0,
  });
});

it.each([
  ['a length below that of its head', (bytes: Buffer) => bytes.writeUInt32LE(47, 0)],
  ['a length beyond the limit', (bytes: Buffer) => bytes.writeUInt32LE(MAX_TAP_ENTRY_BYTES + 1, 0)],
  ['a kind that is none', (bytes: Buffer) => bytes.writeUInt8(9, 4)],
  ['a codec that is none', (bytes: Buffer) => bytes.writeUInt8(9, 5)],
])('an entry with %s is a fault, and nothing more is read', async (_name, spoil) => {
  const pipe = new PassThrough();
  const writer = new TapPipeWriter(pipe);
  writer.writeFrame(frame(true));
  const bytes = pipe.read() as Buffer;
  spoil(bytes);
  const spoilt = new PassThrough();
  const result = read(spoilt);
  spoilt.write(bytes);
  await settled();
  expect(result).toEqual({ entries: [], faults: 1 });
  expect(spoilt.destroyed).toBe(true);
});

it('what the host does not read is bounded: pictures are dropped up to the next keyframe', () => {
  const pipe = new PassThrough();
  const writer = new TapPipeWriter(pipe);
  const large = 1024 * 1024;
  expect(writer.writeFrame(frame(true, large))).toBe(true);
  let taken = 1;
  while (writer.writeFrame(frame(false, large))) taken += 1;
  expect(taken).toBeLessThan(40);
  while (pipe.read() !== null);
  expect(writer.writeFrame(frame(false))).toBe(false);
  expect(writer.writeFrame(frame(true))).toBe(true);
  expect(writer.writeFrame(frame(false))).toBe(true);
});
