import type { OpenHlsThread } from './hls-stream.js';
import { muxThreadOpener } from './mux-thread.js';
import type { OpenRecordingThread } from './recording.js';

/** The threads that write what is encoded into containers. */
export interface MuxThreads {
  readonly openRecordingThread: OpenRecordingThread;
  readonly openHlsThread: OpenHlsThread;
}

export const workerMuxThreads: MuxThreads = {
  openRecordingThread: muxThreadOpener('./recording-worker.js'),
  openHlsThread: muxThreadOpener('./hls-worker.js'),
};
