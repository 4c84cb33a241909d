import { AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P } from 'node-av/constants';
import type { Frame } from 'node-av/lib';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import type { FfmpegProcessListener } from '../../../../src/render/encode/ffmpeg-process.js';
import { ProcessVideoEncoder } from '../../../../src/render/encode/process-video-encoder.js';

/** No program can be made to outlive SIGKILL, as one does that is stuck in a driver. */
const played = vi.hoisted(() => ({
  listeners: [] as FfmpegProcessListener[],
  killed: [] as number[],
  written: [] as number[],
}));
vi.mock('../../../../src/render/encode/ffmpeg-process.js', () => ({
  FfmpegProcess: class {
    readonly #index = played.listeners.length;
    constructor(_parameters: unknown, listener: FfmpegProcessListener) {
      played.listeners.push(listener);
    }
    write(): void {
      played.written.push(this.#index);
    }
    readonly end = vi.fn();
    kill(): void {
      played.killed.push(this.#index);
    }
  },
}));
/** Each output is one picture. */
vi.mock('../../../../src/render/encode/flv-splitter.js', () => ({
  FlvSplitter: class {
    #index = 0;
    push(): unknown[] {
      return [{ index: this.#index++, keyframe: true, bytes: new Uint8Array() }];
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
  [played.listeners.length, played.killed.length, played.written.length] = [0, 0, 0];
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

const nv12 = { format: AV_PIX_FMT_NV12, data: [Buffer.alloc(256), Buffer.alloc(128)] } as unknown as Frame;
const feed = (of = picture): void => encoder.encode(of, { captureTimeUs: 1, readTimeUs: 1 }, false);
const reconfigure = (): void => encoder.reconfigure({ ...SIZE, frameRate: 15 });
const feedAnotherSize = (): void => {
  reconfigure();
  feed();
};
const feedNv12 = (): void => feed(nv12);

/** The driver has no session for a second process, so the first one is ended. */
function endFirst(): void {
  feed();
  encoder.setBitrate(200_000);
  feed();
  expect(played.listeners).toHaveLength(2);
  played.listeners[1]?.onEnded(new Error('no session left'));
  expect(played.killed).toContain(0);
}

it('a process that does not end is a failure of the encoder', () => {
  endFirst();
  dropped = 0;
  feed();
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

it.each([
  ['another size or rate', feedAnotherSize],
  ['another pixel format', feedNv12],
])('a process for %s starts when the one before has ended, with the newest picture', (_what, change) => {
  feed();
  change();
  feedNv12();
  expect([played.listeners.length, played.killed]).toEqual([1, [0]]);
  // The one that was in the process, and the one that is not the newest.
  expect(dropped).toBe(2);
  played.listeners[0]?.onEnded(undefined);
  expect([played.listeners.length, played.written]).toEqual([2, [0, 1]]);
  vi.advanceTimersByTime(2_000);
  expect([dropped, failures]).toEqual([2, []]);
});

it('a process that is ending is waited for after another change of the size, and its picture of the size before is dropped', () => {
  endFirst();
  feed();
  dropped = 0;
  reconfigure();
  expect(dropped).toBe(1);
  feed();
  expect(played.listeners).toHaveLength(2);
  played.listeners[0]?.onEnded(undefined);
  expect(played.listeners).toHaveLength(3);
});

it.each([
  [0, 1],
  [1, 0],
])(
  'a second process that is starting is killed with the first when the size changes, and both are waited for: %i ends first',
  (first, last) => {
    feed();
    encoder.setBitrate(200_000);
    feed();
    feedAnotherSize();
    expect(played.killed.toSorted()).toEqual([0, 1]);
    played.listeners[first]?.onEnded(undefined);
    expect(played.listeners).toHaveLength(2);
    played.listeners[last]?.onEnded(undefined);
    expect([played.listeners.length, failures]).toEqual([3, []]);
  },
);

it('a process that was replaced and has not ended is waited for when the size changes', () => {
  feed();
  encoder.setBitrate(200_000);
  feed();
  played.listeners[1]?.onOutput(new Uint8Array());
  feed();
  vi.advanceTimersByTime(300);
  expect(played.killed).toEqual([0]);
  feedAnotherSize();
  expect(played.killed).toEqual([0, 1]);
  played.listeners[1]?.onEnded(undefined);
  expect(played.listeners).toHaveLength(2);
  played.listeners[0]?.onEnded(undefined);
  expect([played.listeners.length, failures]).toEqual([3, []]);
});
