import { AV_LOG_QUIET, AV_PIX_FMT_YUV420P } from 'node-av/constants';
import { FFmpegError, Frame, Log } from 'node-av/lib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { LibavVideoEncoder } from '../../src/render/encode/libav-video-encoder.js';
import { StillRefinement } from '../../src/render/encode/still-refinement.js';
import type { CompressedPicture } from '../../src/render/encode/video-encoder.js';
import { structuralSimilarity } from '../helpers/picture-similarity.js';
import { seededRandom } from '../helpers/seeded-random.js';
import { PictureDecoder } from '../integration/picture-source.js';

const WIDTH = 640;
const HEIGHT = 360;
const FORMAT = { width: WIDTH, height: HEIGHT, frameRate: 30 } as const;
/** What 4 Mbit/s is to 720p. */
const BITRATE_BPS = 1_000_000;
const FRAME_INTERVAL_US = 33_333;
const REFINEMENT_INTERVAL_US = 100_000;
const STILL_INTERVAL_US = 1_800_000;
const GLYPH_WIDTH = 6;
const LINE_HEIGHT = 14;

Log.setLevel(AV_LOG_QUIET);

/** Lines of letters, black on white, as far down as `scrolled` rows. */
function textPage(scrolled: number): Uint8Array {
  const random = seededRandom(7);
  const glyphs = Array.from({ length: 26 }, () =>
    Array.from({ length: 9 }, () => Math.floor(random() * 2 ** GLYPH_WIDTH)),
  );
  const luma = new Uint8Array(WIDTH * HEIGHT).fill(235);
  for (let y = 0; y < HEIGHT; y++) {
    const row = (y + scrolled) % LINE_HEIGHT;
    const line = Math.floor((y + scrolled) / LINE_HEIGHT);
    for (let x = 24; x < WIDTH - 24; x++) {
      const column = Math.floor(x / (GLYPH_WIDTH + 2));
      const glyph = glyphs[(line * 31 + column * column * 7 + line * column) % glyphs.length];
      if (((glyph?.[row] ?? 0) >> (x % (GLYPH_WIDTH + 2))) & 1) luma[y * WIDTH + x] = 30;
    }
  }
  return luma;
}

for (const [codec, name] of [
  ['h264', 'libx264'],
  ['vp8', 'libvpx'],
  ['vp9', 'libvpx-vp9'],
  ['av1', 'libsvtav1'],
  ['h265', 'libx265'],
] as const) {
  describe(`a page at rest through ${name}`, () => {
    let encoder: LibavVideoEncoder;
    let decoder: PictureDecoder;
    let frame: Frame;
    let nowUs: number;
    let refinement: StillRefinement;
    let newest: CompressedPicture;
    let bits: number;

    beforeEach(() => {
      nowUs = 0;
      bits = 0;
      refinement = new StillRefinement(FORMAT);
      decoder = new PictureDecoder(codec);
      frame = new Frame();
      frame.alloc();
      Object.assign(frame, { width: WIDTH, height: HEIGHT, format: AV_PIX_FMT_YUV420P });
      FFmpegError.throwIfError(frame.getBuffer(1), 'allocate a picture');
      encoder = new LibavVideoEncoder(
        name,
        undefined,
        { codec, ...FORMAT, bitrateBps: BITRATE_BPS, matrix: 'bt601' },
        {
          onCompressed: (picture) => (newest = picture),
          onDropped: () => expect.unreachable('a picture was left out'),
          onFailed: (error) => expect.unreachable(error.message),
        },
      );
    });

    afterEach(() => {
      encoder.close();
      decoder.close();
      frame.free();
    });

    /** @returns how much what a viewer sees is like the page. */
    const show = (page: Uint8Array, afterUs: number, repeated = true, keyframe = false): number => {
      nowUs += afterUs;
      FFmpegError.throwIfError(frame.makeWritable(), 'write a picture');
      const [luma, ...chroma] = frame.data ?? [];
      luma?.set(page);
      for (const plane of chroma) plane.fill(128);
      encoder.encode(frame, { captureTimeUs: nowUs, readTimeUs: nowUs, repeated }, keyframe);
      bits += newest.bytes.byteLength * 8;
      if (keyframe) refinement.restart();
      else if (repeated) refinement.add(newest.bytes.byteLength);
      else refinement.changed(newest.bytes.byteLength);
      const decoded = decoder.decode(newest.bytes);
      return decoded ? structuralSimilarity(page, decoded.luma, WIDTH, HEIGHT) : 0;
    };
    const scrollAndStop = (): Uint8Array => {
      for (let index = 0; index < 30; index++)
        show(textPage(index * 5), index === 0 ? 0 : FRAME_INTERVAL_US, false);
      return textPage(29 * 5);
    };
    const refine = (page: Uint8Array): number => {
      let similarity = 0;
      while (!refinement.isSettled) similarity = show(page, REFINEMENT_INTERVAL_US);
      return similarity;
    };

    it('looks like the page within a second', () => {
      const page = scrollAndStop();
      const stoppedAtUs = nowUs;
      let similarity = 0;
      while (nowUs < stoppedAtUs + 1_000_000) similarity = show(page, REFINEMENT_INTERVAL_US);
      expect(similarity).toBeGreaterThan(0.995);
    });

    it('settles, costs at most 40 kbit/s from then on, and keeps its quality', () => {
      const page = scrollAndStop();
      const settled = refine(page);
      expect(settled).toBeGreaterThan(0.995);
      const from = { bits, nowUs };
      for (let index = 0; index < 10; index++) {
        expect(show(page, STILL_INTERVAL_US)).toBeGreaterThan(0.995);
      }
      expect(newest.keyframe).toBe(false);
      expect((bits - from.bits) / ((nowUs - from.nowUs) / 1_000_000)).toBeLessThan(40_000);
    });

    it('has keyframes that look like the page', () => {
      const page = scrollAndStop();
      refine(page);
      for (let index = 0; index < 3; index++) {
        expect(show(page, STILL_INTERVAL_US, true, true)).toBeGreaterThan(0.99);
        expect(newest.keyframe).toBe(true);
        expect(refine(page)).toBeGreaterThan(0.995);
      }
    });

    it('costs at most 60 kbit/s while a cursor blinks', () => {
      const page = scrollAndStop();
      refine(page);
      show(page, STILL_INTERVAL_US);
      const withCursor = Uint8Array.from(page);
      for (let row = 100; row < 116; row++) withCursor.fill(0, row * WIDTH + 200, row * WIDTH + 202);
      const from = { bits, nowUs };
      for (let blink = 0; blink < 10; blink++) {
        const picture = blink % 2 === 0 ? withCursor : page;
        const blinkedAtUs = nowUs;
        show(picture, FRAME_INTERVAL_US, false);
        while (!refinement.isSettled && nowUs < blinkedAtUs + 400_000) show(picture, REFINEMENT_INTERVAL_US);
        nowUs = blinkedAtUs + 500_000 - FRAME_INTERVAL_US;
      }
      expect((bits - from.bits) / ((nowUs - from.nowUs) / 1_000_000)).toBeLessThan(60_000);
    });
  });
}
