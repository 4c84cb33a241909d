import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { afterAll, beforeAll, expect, it } from 'vitest';

import type { EncoderReplacement } from '../../src/render/encode/encode-thread.js';
import { openVideoEncoder } from '../../src/render/encode/encoder-candidate.js';
import { FailoverVideoEncoder } from '../../src/render/encode/failover-video-encoder.js';
import type { CompressedPicture, PictureFormat } from '../../src/render/encode/video-encoder.js';
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

/** Encodes with the fake driver, named by its fault; libx264 takes over if that fails. */
async function useDriver(name: string) {
  const ffmpegPath = join(folder, `${name}.mjs`);
  await copyFile(join(import.meta.dirname, '../fixtures/fake-driver.mjs'), ffmpegPath);
  await chmod(ffmpegPath, 0o755);
  const replacements: Omit<EncoderReplacement, 'rung'>[] = [];
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
      onReplaced: (replacement) => {
        driver.givenBefore = out.length;
        replacements.push(replacement);
      },
    },
  );
  let source = new PictureSource(SIZE.width, SIZE.height);
  const decoder = new PictureDecoder('h264');
  const timeUs = (picture: number): number => Math.round((picture * 1_000_000) / SIZE.frameRate);
  const driver = {
    ...{ encoder, replacements, out, timeUs },
    /** Pictures that were fed; that had come out when it was replaced. */
    ...{ fed: 0, givenBefore: 0 },
    feed: (keyframe = false): void => {
      const captureTimeUs = timeUs(++driver.fed);
      encoder.encode(source.picture(driver.fed), { captureTimeUs, readTimeUs: captureTimeUs }, keyframe);
    },
    reconfigure: (size: PictureFormat): void => {
      encoder.reconfigure(size);
      source.close();
      source = new PictureSource(size.width, size.height);
    },
    keyframes: (): number => out.filter(({ keyframe }) => keyframe).length,
    /** All that came out. */
    widths: () => out.map(({ bytes }) => decoder.decode(bytes)?.width),
    close: (): void => {
      encoder.close();
      source.close();
      decoder.close();
    },
  };
  return driver;
}

// A host that stands still for seconds makes any of them one that does not answer in time.
it.each([
  ['limit', /OpenEncodeSessionEx|code 1|does not answer/],
  ['crash', /SIGSEGV|does not answer/],
  ['reset', /device lost|code 1|does not answer/],
  ['hang', /does not answer/],
])(
  'a driver with a fault (%s) is replaced, and the stream goes on with a keyframe',
  async (fault, reason) => {
    const driver = await useDriver(fault);
    const { out, replacements, timeUs, feed } = driver;
    try {
      await until(() => {
        feed();
        expect(replacements).toHaveLength(1);
      }, 20);
      expect(replacements[0]).toMatchObject({ failed: 'ffmpeg:h264_nvenc', next: 'libx264' });
      expect(replacements[0]?.reason).toMatch(reason);
      const before = driver.fed;
      for (let index = 0; index < AFTER; index++) feed();
      const times = out.map(({ times: { captureTimeUs } }) => captureTimeUs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      // Nothing is missing from the first picture after it.
      const after = out.filter(({ times: { captureTimeUs } }) => captureTimeUs > timeUs(before));
      expect(after).toHaveLength(AFTER);
      expect(driver.keyframes()).toBe(driver.givenBefore > 0 ? 2 : 1);
      expect(new Set(driver.widths())).toEqual(new Set([SIZE.width]));
      expect(replacements).toHaveLength(1);
    } finally {
      driver.close();
    }
  },
);

it('a driver with one session left gives keyframes and another size all the same', async () => {
  const driver = await useDriver('sessions-1');
  const { out, replacements, feed, keyframes } = driver;
  try {
    await until(() => {
      feed();
      expect(out.length).toBeGreaterThan(3);
    }, 20);
    expect(keyframes()).toBe(1);
    await until(() => {
      feed(keyframes() < 2);
      expect(keyframes()).toBe(2);
    }, 20);
    expect([replacements, driver.encoder.name]).toEqual([[], 'ffmpeg:h264_nvenc']);
    driver.reconfigure({ width: 160, height: 90, frameRate: 15 });
    const before = out.length;
    await until(() => {
      feed();
      expect(out.length).toBeGreaterThan(before + 3);
    }, 20);
    expect([keyframes(), out[before]?.keyframe]).toEqual([3, true]);
    expect([replacements, driver.encoder.name]).toEqual([[], 'ffmpeg:h264_nvenc']);
    expect(driver.widths()).toEqual(out.map((_, index) => (index < before ? SIZE.width : 160)));
  } finally {
    driver.close();
  }
});
