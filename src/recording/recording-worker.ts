import type { RecordingError } from '../protocol/recordings.js';
import { parentPort, workerData } from 'node:worker_threads';

import { AV_LOG_FATAL } from 'node-av/constants';
import { Log } from 'node-av/lib';

import type { MuxRequest, RecordingReport, RecordingThreadData } from './recording-messages.js';
import { RecordingEnd, RecordingWriter } from './recording-writer.js';

/** The thread that writes one recording. Its disk may be slow or dead: nothing else waits for it. */

const TICK_MS = 100;

const port = parentPort;
if (!port) throw new Error('This file runs as a worker thread');
const writer = new RecordingWriter(workerData as RecordingThreadData);
let takenBytes = 0;

const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

function report(message: RecordingReport): void {
  port?.postMessage(message);
}

function end(error?: RecordingError, cause?: unknown): void {
  clearInterval(timer);
  writer.close();
  const detail = cause instanceof Error ? cause.message : undefined;
  report({ type: 'ended', files: writer.files, error, detail });
  port?.close();
}

/** A recording that cannot go on ends with a report. */
function guard(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (thrown) {
    if (thrown instanceof RecordingEnd) end(thrown.recordingError, thrown.cause);
    else end({ code: 'recording_failed', message: 'The recording could not be written' }, thrown);
    return false;
  }
}

// A full disk is reported, not printed.
Log.setLevel(AV_LOG_FATAL);
const timer = setInterval(() => {
  if (guard(() => writer.advance(nowUs()))) report({ type: 'progress', takenBytes, files: writer.files });
}, TICK_MS);

port.on('message', (request: MuxRequest) => {
  if (request.type === 'packet') {
    takenBytes += request.packet.bytes.byteLength;
    writer.push(request.packet);
  } else if (guard(() => writer.finish(nowUs()))) {
    end();
  }
});
