import { AV_PIX_FMT_YUV420P } from 'node-av/constants';
import type { Frame } from 'node-av/lib';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import type { FfmpegProcessListener } from '../../../../src/render/encode/ffmpeg-process.js';
import { ProcessVideoEncoder } from '../../../../src/render/encode/process-video-encoder.js';

/** No program can be made to outlive SIGKILL, as one does that is stuck in a driver. */
const played = vi.hoisted(() => ({ listeners: [] as FfmpegProcessListener[], killed: [] as number[] }));
vi.mock('../../../../src/render/encode/ffmpeg-process.js', () => ({
  FfmpegProcess: class {
    readonly #index = played.listeners.length;
    constructor(_parameters: unknown, listener: FfmpegProcessListener) {
      played.listeners.push(listener);
    }
    readonly write = vi.fn();
    readonly end = vi.fn();
    kill(): void {
      played.killed.push(this.#index);
    }
  },
}));

const SIZE = { width: 16, height: 16 };
const picture = {
  format: AV_PIX_FMT_YUV420P,
  data: [Buffer.alloc(256), Buffer.alloc(64), Buffer.alloc(64)],
} as unknown as Frame;

let encoder: ProcessVideoEncoder;
let failures: string[];
let dropped: number;

beforeEach(() => {
  vi.useFakeTimers();
  [failures, dropped] = [[], 0];
  [played.listeners.length, played.killed.length] = [0, 0];
  encoder = new ProcessVideoEncoder(
    {
      ...{ codec: 'h264', ...SIZE, frameRate: 30, bitrateBps: 100_000, matrix: 'bt601' },
      ...{ name: 'h264_nvenc', device: undefined, ffmpegPath: '/nowhere/ffmpeg' },
    },
    {
      onCompressed: () => undefined,
      onDropped: () => (dropped += 1),
      onFailed: ({ message }) => failures.push(message),
    },
  );
});

afterEach(() => {
  encoder.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const feed = (): void => encoder.encode(picture, { captureTimeUs: 1, readTimeUs: 1 }, false);

/** The driver has no session for a second process, so the first one is ended. */
function endFirst(): void {
  feed();
  encoder.setBitrate(200_000);
  feed();
  expect(played.listeners).toHaveLength(2);
  played.listeners[1]?.onEnded(new Error('no session left'));
  expect(played.killed).toEqual([0]);
}

it('a process that does not end is a failure of the encoder', () => {
  endFirst();
  dropped = 0;
  feed();
  expect([dropped, failures]).toEqual([1, []]);
  vi.advanceTimersByTime(2_000);
  expect(failures).toEqual(['FFmpeg does not end']);
});

it('a process that ends in time makes room for the next one', () => {
  endFirst();
  played.listeners[0]?.onEnded(undefined);
  feed();
  expect(played.listeners).toHaveLength(3);
  vi.advanceTimersByTime(2_000);
  expect(failures).toEqual([]);
});
