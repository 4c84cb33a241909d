import { parentPort, workerData } from 'node:worker_threads';

import { AV_LOG_FATAL } from 'node-av/constants';
import { Log } from 'node-av/lib';

import { asError } from '../base/errors.js';
import type { HlsReport, HlsThreadData } from './hls-messages.js';
import { HlsSegmenter } from './hls-segmenter.js';
import type { MuxRequest } from './recording-messages.js';

/** The thread that cuts the segments of one session's playlist. */

const TICK_MS = 50;

const port = parentPort;
if (!port) throw new Error('This file runs as a worker thread');
let takenBytes = 0;

const segmenter = new HlsSegmenter(workerData as HlsThreadData, report);

function report(message: HlsReport): void {
  const transfer = 'bytes' in message ? [message.bytes.buffer as ArrayBuffer] : [];
  port?.postMessage(message, transfer);
}

function end(detail?: string): void {
  clearInterval(timer);
  segmenter.close();
  report({ type: 'ended', detail });
  port?.close();
}

Log.setLevel(AV_LOG_FATAL);
const timer = setInterval(() => {
  try {
    segmenter.advance(Number(process.hrtime.bigint() / 1000n));
    report({ type: 'progress', takenBytes });
  } catch (thrown) {
    end(asError(thrown).message);
  }
}, TICK_MS);

port.on('message', (request: MuxRequest) => {
  if (request.type === 'packet') {
    takenBytes += request.packet.bytes.byteLength;
    segmenter.push(request.packet);
  } else {
    end();
  }
});
