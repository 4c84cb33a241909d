import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { VideoCodec } from '../../src/render/encode/encoded-frame.js';
import type {
  CompressedPicture,
  PictureFormat,
  VideoEncoder,
  VideoEncoderListener,
  VideoEncoderParameters,
} from '../../src/render/encode/video-encoder.js';
import { isH265Keyframe } from '../../src/render/packetize/h265-nal-type.js';
import { isVp9Keyframe } from '../../src/render/packetize/vp9-picture-header.js';
import { PATIENCE_MS, until } from '../helpers/patience.js';
import { PictureDecoder, PictureSource } from './picture-source.js';

const SIZE = { width: 640, height: 360, frameRate: 30 } as const;
/** libvpx has nothing coarser left below 2.2 Mbit/s. */
const BITRATE_BPS = 2_500_000;

export interface EncoderUnderTest {
  readonly codec: VideoCodec;
  open(parameters: VideoEncoderParameters, listener: VideoEncoderListener): VideoEncoder;
  /** Kills what encodes, where that is a process. */
  crash?: () => Promise<void>;
  /** Processes that the encoder has started and that are still there. */
  processes?: () => readonly number[];
}

function expectRate(measuredBps: number, wantedBps: number): void {
  expect(measuredBps).toBeGreaterThan(0.85 * wantedBps);
  expect(measuredBps).toBeLessThan(1.15 * wantedBps);
}

/** The behaviour that every video encoder has. */
export function describeVideoEncoder(name: string, subject: EncoderUnderTest): void {
  describe(`${name} encodes ${subject.codec}`, () => {
    let encoder: VideoEncoder;
    let source: PictureSource;
    let decoder: PictureDecoder;
    let out: CompressedPicture[];
    let dropped: number;
    let failure: Error | undefined;
    let fed: number;
    let fedTimesUs: number[];

    const open = (overrides: Partial<VideoEncoderParameters> = {}): void => {
      encoder = subject.open(
        { codec: subject.codec, ...SIZE, bitrateBps: BITRATE_BPS, matrix: 'bt601', ...overrides },
        {
          onCompressed: (picture) => {
            out.push(picture);
          },
          onDropped: () => dropped++,
          onFailed: (error) => (failure = error),
        },
      );
    };
    /** The next picture, in virtual time. */
    const feed = (keyframe = false): void => {
      const captureTimeUs = Math.round((++fed * 1_000_000) / SIZE.frameRate);
      const picture = source.picture(fed);
      fedTimesUs.push(captureTimeUs);
      encoder.encode(picture, { captureTimeUs, readTimeUs: captureTimeUs + 1 }, keyframe);
    };
    const cameOut = (): Promise<void> => until(() => expect(out.length + dropped).toBe(fed), 1);
    /** As fast as they come out. */
    const encode = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++) {
        feed();
        await cameOut();
      }
    };
    const keyframes = (): number => out.filter(({ keyframe }) => keyframe).length;
    const useSize = (size: PictureFormat, format: 'i420' | 'nv12' = 'i420'): void => {
      source.close();
      source = new PictureSource(size.width, size.height, format);
    };

    beforeEach(() => {
      out = [];
      dropped = 0;
      failure = undefined;
      fed = 0;
      fedTimesUs = [];
      source = new PictureSource(SIZE.width, SIZE.height);
      decoder = new PictureDecoder(subject.codec);
    });

    afterEach(async () => {
      encoder.close();
      source.close();
      decoder.close();
      const left = subject.processes;
      if (left) await until(() => expect(left()).toEqual([]));
    });

    it('gives each picture before the next is fed, in order, with its times, and a keyframe only at the start', async () => {
      open();
      await encode(30);
      expect(dropped).toBe(0);
      expect(out.map(({ times }) => times.captureTimeUs)).toEqual(fedTimesUs);
      expect(out.every(({ times }) => times.readTimeUs === times.captureTimeUs + 1)).toBe(true);
      expect(out.map(({ keyframe }) => keyframe)).toEqual(out.map((_, index) => index === 0));
      for (const { bytes } of out) expect(decoder.decode(bytes)).toMatchObject({ width: SIZE.width });
    });

    it('gives a keyframe on demand without a break in the pictures', async () => {
      open();
      await encode(10);
      const startMs = performance.now();
      while (keyframes() < 2) {
        expect(performance.now() - startMs).toBeLessThan(PATIENCE_MS);
        feed(true);
        await cameOut();
        await sleep(5);
      }
      await encode(10);
      expect(keyframes()).toBe(2);
      expect(dropped).toBe(0);
      const times = out.map(({ times: { captureTimeUs } }) => captureTimeUs);
      expect(times).toEqual(fedTimesUs);
      for (const { bytes } of out) expect(decoder.decode(bytes)).toBeDefined();
      // By the picture itself, not by what the encoder says of it: VP9 has intra-only pictures, from which nobody can start.
      if (subject.codec === 'vp9') {
        expect(out.map(({ bytes }) => isVp9Keyframe(bytes))).toEqual(out.map(({ keyframe }) => keyframe));
      }
      if (subject.codec === 'h265') {
        const found = out.map(({ bytes }) => isH265Keyframe(Buffer.from(bytes)));
        expect(found).toEqual(out.map(({ keyframe }) => keyframe));
      }
      // A newcomer starts from it.
      const newcomer = new PictureDecoder(subject.codec);
      const from = out.findLastIndex(({ keyframe }) => keyframe);
      for (const { bytes } of out.slice(from)) expect(newcomer.decode(bytes)).toBeDefined();
      newcomer.close();
    });

    it('keeps the bit rate within 15 % over 2 s, and takes a new one', async () => {
      open();
      const measured = async (): Promise<number> => {
        await encode(SIZE.frameRate);
        const from = out.length;
        await encode(2 * SIZE.frameRate);
        return out.slice(from).reduce((sum, { bytes }) => sum + bytes.length * 8, 0) / 2;
      };
      expectRate(await measured(), BITRATE_BPS);
      encoder.setBitrate(1.5 * BITRATE_BPS);
      // A second process takes its time, and begins with a keyframe.
      const before = keyframes();
      for (let index = 0; index < 30 || (subject.processes && keyframes() === before); index++) {
        feed();
        await cameOut();
        if (subject.processes) await sleep(10);
      }
      expectRate(await measured(), 1.5 * BITRATE_BPS);
      expect(dropped).toBe(0);
    });

    it('goes on in another size, beginning with a keyframe', async () => {
      open();
      await encode(5);
      const larger = { width: 960, height: 540, frameRate: 15 };
      encoder.reconfigure(larger);
      useSize(larger);
      const from = out.length;
      await encode(5);
      const decoded = out.map(({ bytes }) => decoder.decode(bytes));
      expect(out.slice(from).map(({ keyframe }) => keyframe)).toEqual([true, false, false, false, false]);
      expect(decoded.slice(from)).toHaveLength(5);
      for (const picture of decoded.slice(from)) expect(picture).toMatchObject({ width: 960, height: 540 });
    });

    it('encodes NV12 as it encodes I420', async () => {
      open();
      await encode(2);
      useSize(SIZE, 'nv12');
      const from = out.length;
      await encode(3);
      const all = out.map(({ bytes }) => decoder.decode(bytes));
      expect(all.slice(from)).toHaveLength(3);
      for (const picture of all) {
        // Chroma is quantised coarsely at this rate, but a swapped or shifted plane is further off.
        expect(Math.abs((picture?.means[1] ?? 0) - 90)).toBeLessThan(10);
        expect(Math.abs((picture?.means[2] ?? 0) - 160)).toBeLessThan(10);
      }
    });

    it('gives nothing more once it is closed, and can be closed twice', async () => {
      open();
      await encode(3);
      feed();
      encoder.close();
      const given = out.length;
      encoder.close();
      await sleep(100);
      expect(out).toHaveLength(given);
      expect(failure).toBeUndefined();
    });

    const { crash } = subject;
    if (crash) {
      it('reports the crash of its process', async () => {
        open();
        await encode(3);
        await crash();
        await until(() => expect(failure?.message).toMatch(/SIGKILL/));
      });
    }
  });
}
