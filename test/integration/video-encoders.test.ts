import { EventEmitter, once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { afterEach, expect, it, vi } from 'vitest';

import { statFields } from '../../src/base/process-table.js';
import { LIBRARY_ENCODERS } from '../../src/options/encoder-names.js';
import { LIBAV_ENCODERS, LibavVideoEncoder } from '../../src/render/encode/libav-video-encoder.js';
import { ProcessVideoEncoder } from '../../src/render/encode/process-video-encoder.js';
import { FFMPEG, ffmpegProcesses, programEncoder } from '../helpers/program-encoder.js';
import { until } from '../helpers/patience.js';
import { PictureSource } from './picture-source.js';
import { describeVideoEncoder } from './video-encoder-contract.js';

const ENCODERS = [
  ['h264', 'libx264'],
  ['vp8', 'libvpx'],
  ['vp9', 'libvpx-vp9'],
  ['av1', 'libsvtav1'],
] as const;

/** Encoders of this machine's hardware, by name with commas between them: `npm run gpu-check` names those that work. */
const HARDWARE = (process.env.STREAM_KIT_ENCODERS ?? '')
  .split(',')
  .filter((name): name is keyof typeof LIBAV_ENCODERS => Object.hasOwn(LIBAV_ENCODERS, name))
  .map((name) => [LIBAV_ENCODERS[name].codec, name] as const);

Log.setLevel(AV_LOG_QUIET);

for (const [codec, name] of [...ENCODERS, ...HARDWARE]) {
  describeVideoEncoder(`${name} in this process`, {
    codec,
    open: (parameters, listener) => new LibavVideoEncoder(name, undefined, parameters, listener),
  });
}

for (const [codec, name] of ENCODERS.filter(([, name]) => !LIBRARY_ENCODERS.includes(name))) {
  describeVideoEncoder(`${name} through ${FFMPEG}`, programEncoder(codec, name));
}

interface OpenedProcess {
  readonly encoder: ProcessVideoEncoder;
  readonly failed: Promise<Error>;
  readonly compressed: () => number;
  /** The next picture. */
  readonly feed: () => void;
}

let source: PictureSource | undefined;
let opened: ProcessVideoEncoder | undefined;
let feeding: NodeJS.Timeout | undefined;

afterEach(() => {
  vi.restoreAllMocks();
  clearInterval(feeding);
  opened?.close();
  source?.close();
});

function openProcess(ffmpegPath: string): OpenedProcess {
  const pictures = (source = new PictureSource(64, 64));
  let compressed = 0;
  let fed = 0;
  const failures = new EventEmitter<{ failed: [Error] }>();
  const failed = once(failures, 'failed').then(([error]) => error as Error);
  const encoder = (opened = new ProcessVideoEncoder(
    {
      ...{ codec: 'h264', width: 64, height: 64, frameRate: 30, bitrateBps: 100_000, matrix: 'bt601' },
      ...{ name: 'libx264', device: undefined, ffmpegPath },
    },
    {
      onCompressed: () => compressed++,
      onDropped: () => undefined,
      onFailed: (error) => failures.emit('failed', error),
    },
  ));
  const feed = (): void => {
    const captureTimeUs = ++fed * 33_333;
    encoder.encode(pictures.picture(fed), { captureTimeUs, readTimeUs: captureTimeUs }, false);
  };
  return { encoder, failed, compressed: () => compressed, feed };
}

/** sched(7): 0 is SCHED_OTHER. Of all threads of this process. */
function schedulingPolicies(): Set<string> {
  // proc(5): field 41, where the first of those here is the third.
  const ofThread = (id: string): string =>
    statFields(readFileSync(`/proc/self/task/${id}/stat`, 'latin1'))[41 - 3] ?? '';
  return new Set(readdirSync('/proc/self/task').map(ofThread));
}

it.each(ENCODERS)(
  '%s by %s leaves no thread with a real-time policy, also where root opens it',
  (codec, name) => {
    const format = { width: 640, height: 360, frameRate: 30 };
    const encoder = new LibavVideoEncoder(
      name,
      undefined,
      { codec, ...format, bitrateBps: 1_000_000, matrix: 'bt601' },
      { onCompressed: () => undefined, onDropped: () => undefined, onFailed: () => undefined },
    );
    try {
      expect(schedulingPolicies()).toEqual(new Set(['0']));
      encoder.reconfigure({ ...format, width: 320, height: 180 });
      expect(schedulingPolicies()).toEqual(new Set(['0']));
    } finally {
      encoder.close();
    }
  },
);

it('a program that is no FFmpeg is reported', async () => {
  const { failed, feed } = openProcess('/bin/false');
  feed();
  expect(await failed).toBeInstanceOf(Error);
});

it('a process that hangs is reported and ended', async () => {
  const { failed, compressed, feed } = openProcess(FFMPEG);
  feed();
  await until(() => expect(compressed()).toBe(1));
  for (const pid of ffmpegProcesses()) process.kill(pid, 'SIGSTOP');
  feeding = setInterval(feed, 50);
  expect((await failed).message).toBe('FFmpeg does not answer');
  await until(() => expect(ffmpegProcesses()).toEqual([]));
});

it('neither a slow start nor a thread that stood still is taken for a process that hangs', async () => {
  const { failed, compressed, feed } = openProcess(FFMPEG);
  let failure: Error | undefined;
  void failed.then((error) => (failure = error));
  // While it starts, the pictures that wait for it grow older than a running process may have them.
  const now = performance.now.bind(performance);
  let laterMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now() + laterMs);
  feed();
  feed();
  laterMs = 2_100;
  feed();
  await until(() => expect(compressed()).toBeGreaterThan(0), 1);
  feed();
  await until(() => expect(compressed()).toBe(4));
  feed();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_100);
  feed();
  await until(() => expect(compressed()).toBe(6));
  expect(failure).toBeUndefined();
});
