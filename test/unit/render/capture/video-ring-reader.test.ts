import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import {
  frameRingLayout,
  TRAILER,
  TRAILER_BYTES,
  videoFileBytes,
} from '../../../../src/render/capture/frame-ring.js';
import { VideoRingReader } from '../../../../src/render/capture/video-ring-reader.js';

const I420 = 1;

let folder: string;
let path: string;
let reader: VideoRingReader | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ring-'));
  path = join(folder, 'video');
  writeFileSync(join(folder, 'credits'), Buffer.alloc(4096));
});

afterEach(() => {
  reader?.close();
  reader = undefined;
  rmSync(folder, { recursive: true });
});

/** As the page does it when it begins, and at each change of the size. */
function layOut(width: number, height: number): void {
  const fd = openSync(path, 'a+');
  ftruncateSync(fd, 0);
  ftruncateSync(fd, videoFileBytes(frameRingLayout(width, height)));
  closeSync(fd);
}

function write(sequence: number, width: number, height: number, brightness: number): void {
  const { videoSlotBytes, videoSlotCount } = frameRingLayout(width, height);
  const slot = Buffer.alloc(videoSlotBytes + TRAILER_BYTES, brightness);
  const trailer = slot.subarray(videoSlotBytes).fill(0);
  for (const at of [TRAILER.sequence, TRAILER.sequenceAgain]) trailer.writeUInt32LE(sequence, at);
  trailer.writeUInt32LE(I420, TRAILER.format);
  trailer.writeUInt32LE(width, TRAILER.width);
  trailer.writeUInt32LE(height, TRAILER.height);
  const fd = openSync(path, 'r+');
  writeSync(fd, slot, 0, slot.byteLength, (sequence % videoSlotCount) * slot.byteLength);
  closeSync(fd);
}

function open(width: number, height: number, onReady: () => void = () => undefined): VideoRingReader {
  const source = { kind: 'ring', path, creditsPath: join(folder, 'credits'), matrix: 'bt601' } as const;
  reader = new VideoRingReader({ ...source, width, height }, onReady);
  return reader;
}

describe('the reader of the shared pictures', () => {
  it('takes each picture once', () => {
    layOut(64, 32);
    const pictures = open(64, 32);
    expect(pictures.next()).toBeUndefined();
    write(1, 64, 32, 77);
    const picture = pictures.next();
    expect(picture).toMatchObject({ sequence: 1, width: 64, height: 32 });
    const luma = Buffer.alloc(64 * 32);
    expect(picture?.copyTo([luma])).toBe(true);
    expect([luma[0], luma.at(-1)]).toEqual([77, 77]);
    expect(pictures.next()).toBeUndefined();
  });

  it('looks 50 times per second while pictures come, and twice while none do', () => {
    vi.useFakeTimers();
    try {
      layOut(64, 32);
      let looks = 0;
      const pictures = open(64, 32, () => (looks += 1));
      const looksWithin = (ms: number): number => {
        const before = looks;
        vi.advanceTimersByTime(ms);
        return looks - before;
      };
      expect(looksWithin(10_000)).toBe(20);
      write(1, 64, 32, 77);
      expect(pictures.next()).toBeDefined();
      expect(looksWithin(1_000)).toBe(50);
      write(2, 64, 32, 78);
      expect(pictures.next()).toBeDefined();
      expect(looksWithin(2_000)).toBe(100);
      expect(looksWithin(10_000)).toBe(20);
    } finally {
      vi.useRealTimers();
    }
  });

  it('waits where the file was laid out anew before its thread began, or is told of the size', () => {
    layOut(128, 96);
    write(1, 128, 96, 1);
    const late = open(64, 32);
    expect(late.next()).toBeUndefined();
    late.resize(128, 96);
    expect(late.next()).toMatchObject({ sequence: 1, width: 128, height: 96 });
    layOut(32, 16);
    // Told of a size that was between the two.
    late.resize(64, 32);
    write(2, 32, 16, 2);
    expect(late.next()).toBeUndefined();
    late.resize(32, 16);
    expect(late.next()).toMatchObject({ sequence: 2, width: 32, height: 16 });
  });
});
