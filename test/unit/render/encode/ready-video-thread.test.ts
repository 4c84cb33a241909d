import { expect, it } from 'vitest';

import { StreamKitError } from '../../../../src/base/errors.js';
import type {
  VideoEncodeListener,
  VideoEncodeParameters,
  VideoEncodeThread,
} from '../../../../src/render/encode/encode-thread.js';
import { ReadyVideoThread } from '../../../../src/render/encode/ready-video-thread.js';

interface Opened {
  readonly parameters: VideoEncodeParameters;
  readonly listener: VideoEncodeListener;
  readonly thread: VideoEncodeThread;
  readonly formats: object[];
}

function ready(): { readonly thread: ReadyVideoThread; readonly opened: Opened[] } {
  const opened: Opened[] = [];
  const thread = new ReadyVideoThread((parameters, listener) => {
    const formats: object[] = [];
    const made = {
      reconfigure: (format: object) => void formats.push(format),
    } as Partial<VideoEncodeThread> as VideoEncodeThread;
    opened.push({ parameters, listener, thread: made, formats });
    return made;
  });
  return { thread, opened };
}

function parameters(width: number, height: number): VideoEncodeParameters {
  const source = {
    kind: 'ring',
    path: '/ring',
    creditsPath: '/credits',
    matrix: 'bt601',
    width,
    height,
  } as const;
  return { source, frameRate: 30, socketFd: 4 };
}

const errors: Error[] = [];
const listener = {
  onError: (error: Error) => void errors.push(error),
} as Partial<VideoEncodeListener> as VideoEncodeListener;

it('hands out the thread that was started, once, and then starts others', () => {
  const { thread, opened } = ready();
  thread.start(parameters(640, 360));
  thread.start(parameters(640, 360));
  expect(opened).toHaveLength(1);
  expect(thread.open(parameters(640, 360), listener)).toBe(opened[0]?.thread);
  expect(opened[0]?.formats).toEqual([]);
  expect(thread.open(parameters(640, 360), listener)).toBe(opened[1]?.thread);
  thread.start(parameters(640, 360));
  expect(opened).toHaveLength(2);
});

it('tells the thread that the size has changed since', () => {
  const { thread, opened } = ready();
  thread.start(parameters(640, 360));
  thread.open(parameters(320, 180), listener);
  expect(opened[0]?.formats).toEqual([{ width: 320, height: 180, frameRate: 30 }]);
});

it('reports that the thread that waited has failed once it is handed out, and starts none over its socket', async () => {
  const { thread, opened } = ready();
  thread.start(parameters(640, 360));
  const error = new StreamKitError('encoder_failed', 'The encoder failed');
  opened[0]?.listener.onError(error);
  expect(thread.open(parameters(320, 180), listener)).toBe(opened[0]?.thread);
  expect(opened).toHaveLength(1);
  // Not before whoever opens it has it.
  expect(errors).toEqual([]);
  await Promise.resolve();
  expect(errors).toEqual([error]);
  // In its place, over another socket.
  const spare = { ...parameters(640, 360), socketFd: 7 };
  expect(thread.open(spare, listener)).toBe(opened[1]?.thread);
  expect(opened[1]?.parameters).toBe(spare);
  await Promise.resolve();
  expect(errors).toEqual([error]);
});

it('reports what fails from when it is handed out on', () => {
  const { thread, opened } = ready();
  errors.length = 0;
  thread.start(parameters(640, 360));
  thread.open(parameters(640, 360), listener);
  const error = new StreamKitError('encoder_failed', 'The encoder failed');
  opened[0]?.listener.onError(error);
  expect(errors).toEqual([error]);
});
