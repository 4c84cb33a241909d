import { parentPort, workerData } from 'node:worker_threads';

import { AV_LOG_FATAL } from 'node-av/constants';
import { Log } from 'node-av/lib';

import { asError } from '../base/errors.js';
import { keyframeParameters } from '../recording/keyframe-parameters.js';
import type { PlacedPacket } from '../recording/mux-packet.js';
import type { MuxRequest } from '../recording/recording-messages.js';
import type { PushReport, PushThreadData } from './push-messages.js';
import { PushQueue } from './push-queue.js';
import { PushStream } from './push-stream.js';

/** The thread that pushes one session to one server. */

const TICK_MS = 20;

const port = parentPort;
if (!port) throw new Error('This file runs as a worker thread');
const data = workerData as PushThreadData;
const queue = new PushQueue(data.hasAudio);
let stream: PushStream | undefined;
let isOver = false;

const report = (message: PushReport): void => port.postMessage(message);

function end(reason?: 'refused' | 'broken' | 'changed', detail?: string): void {
  if (isOver) return;
  isOver = true;
  clearInterval(timer);
  if (reason === 'broken') stream?.close();
  else stream?.finish();
  report({ type: 'ended', reason, detail });
  port?.close();
}

function open(keyframe: PlacedPacket): void {
  const parameters = keyframeParameters('h264', keyframe.bytes);
  if (parameters === undefined) return;
  try {
    stream = new PushStream(data, parameters, keyframe.timeUs);
  } catch (thrown) {
    end('refused', asError(thrown).message);
    return;
  }
  report({ type: 'live' });
}

function write(packet: PlacedPacket): void {
  if (isOver) return;
  const keyframe = packet.kind === 'video' && packet.keyframe;
  if (keyframe && stream === undefined) open(packet);
  else if (keyframe && stream?.continues(packet) === false) end('changed');
  // A stream that has ended takes nothing.
  stream?.write(packet);
}

// Its addresses, and with them stream keys, would be in what it says otherwise.
Log.setLevel(AV_LOG_FATAL);
const timer = setInterval(() => {
  try {
    queue.drain(Number(process.hrtime.bigint() / 1000n), write, (takenBytes) => {
      if (!isOver) report({ type: 'progress', takenBytes });
    });
  } catch (thrown) {
    end('broken', asError(thrown).message);
  }
}, TICK_MS);

port.on('message', (request: MuxRequest) => {
  if (request.type === 'packet') queue.push(request.packet);
  else end();
});
