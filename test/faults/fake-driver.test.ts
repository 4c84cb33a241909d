import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { afterAll, beforeAll, expect, it } from 'vitest';

import type { EncoderReplacement } from '../../src/render/encode/encode-thread.js';
import { openVideoEncoder } from '../../src/render/encode/encoder-candidate.js';
import { FailoverVideoEncoder } from '../../src/render/encode/failover-video-encoder.js';
import type { CompressedPicture } from '../../src/render/encode/video-encoder.js';
import { until } from '../helpers/patience.js';
import { PictureDecoder, PictureSource } from '../integration/picture-source.js';

const SIZE = { width: 320, height: 180, frameRate: 30 } as const;
/** Fed after it was replaced. */
const AFTER = 10;

Log.setLevel(AV_LOG_QUIET);

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stream-kit-driver-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

// A host that stands still for seconds makes any of them one that does not answer in time.
it.each([
  ['limit', /OpenEncodeSessionEx|code 1|does not answer/],
  ['crash', /SIGSEGV|does not answer/],
  ['reset', /device lost|code 1|does not answer/],
  ['hang', /does not answer/],
])(
  'a driver with a fault (%s) is replaced, and the stream goes on with a keyframe',
  async (fault, reason) => {
    const ffmpegPath = join(folder, `${fault}.mjs`);
    await copyFile(join(import.meta.dirname, '../fixtures/fake-driver.mjs'), ffmpegPath);
    await chmod(ffmpegPath, 0o755);
    const replacements: Omit<EncoderReplacement, 'rung'>[] = [];
    const out: CompressedPicture[] = [];
    let givenBefore = 0;
    const encoder = new FailoverVideoEncoder(
      [
        { name: 'h264_nvenc', device: undefined, ffmpegPath },
        { name: 'libx264', device: undefined },
      ],
      openVideoEncoder,
      { codec: 'h264', ...SIZE, bitrateBps: 1_000_000, matrix: 'bt601' },
      {
        onCompressed: (picture) => out.push(picture),
        onDropped: () => undefined,
        onFailed: () => undefined,
        onReplaced: (replacement) => {
          givenBefore = out.length;
          replacements.push(replacement);
        },
      },
    );
    const source = new PictureSource(SIZE.width, SIZE.height);
    const decoder = new PictureDecoder('h264');
    let fed = 0;
    const timeUs = (picture: number): number => Math.round((picture * 1_000_000) / SIZE.frameRate);
    const feed = (): void => {
      const captureTimeUs = timeUs(++fed);
      encoder.encode(source.picture(fed), { captureTimeUs, readTimeUs: captureTimeUs }, false);
    };
    try {
      await until(() => {
        feed();
        expect(replacements).toHaveLength(1);
      }, 20);
      expect(replacements[0]).toMatchObject({ failed: 'ffmpeg:h264_nvenc', next: 'libx264' });
      expect(replacements[0]?.reason).toMatch(reason);
      const before = fed;
      for (let index = 0; index < AFTER; index++) feed();
      const times = out.map(({ times: { captureTimeUs } }) => captureTimeUs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      // Nothing is missing from the first picture after it.
      const after = out.filter(({ times: { captureTimeUs } }) => captureTimeUs > timeUs(before));
      expect(after).toHaveLength(AFTER);
      expect(out.filter(({ keyframe }) => keyframe)).toHaveLength(givenBefore > 0 ? 2 : 1);
      for (const { bytes } of out) expect(decoder.decode(bytes)).toMatchObject({ width: SIZE.width });
      expect(replacements).toHaveLength(1);
    } finally {
      encoder.close();
      source.close();
      decoder.close();
    }
  },
);

it('a driver with one session left gives keyframes all the same', async () => {
  const ffmpegPath = join(folder, 'sessions-1.mjs');
  await copyFile(join(import.meta.dirname, '../fixtures/fake-driver.mjs'), ffmpegPath);
  await chmod(ffmpegPath, 0o755);
  const replacements: unknown[] = [];
  const out: CompressedPicture[] = [];
  const encoder = new FailoverVideoEncoder(
    [
      { name: 'h264_nvenc', device: undefined, ffmpegPath },
      { name: 'libx264', device: undefined },
    ],
    openVideoEncoder,
    { codec: 'h264', ...SIZE, bitrateBps: 1_000_000, matrix: 'bt601' },
    {
      onCompressed: (picture) => out.push(picture),
      onDropped: () => undefined,
      onFailed: () => undefined,
      onReplaced: (replacement) => replacements.push(replacement),
    },
  );
  const source = new PictureSource(SIZE.width, SIZE.height);
  const decoder = new PictureDecoder('h264');
  let fed = 0;
  const feed = (keyframe: boolean): void => {
    const captureTimeUs = Math.round((++fed * 1_000_000) / SIZE.frameRate);
    encoder.encode(source.picture(fed), { captureTimeUs, readTimeUs: captureTimeUs }, keyframe);
  };
  const keyframes = (): number => out.filter(({ keyframe }) => keyframe).length;
  try {
    await until(() => {
      feed(false);
      expect(out.length).toBeGreaterThan(3);
    }, 20);
    expect(keyframes()).toBe(1);
    await until(() => {
      feed(keyframes() < 2);
      expect(keyframes()).toBe(2);
    }, 20);
    expect([replacements, encoder.name]).toEqual([[], 'ffmpeg:h264_nvenc']);
    for (const { bytes } of out) expect(decoder.decode(bytes)).toMatchObject({ width: SIZE.width });
  } finally {
    encoder.close();
    source.close();
    decoder.close();
  }
});
