import { watch } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';

import { AV_LOG_ERROR } from 'node-av/constants';
import { Log } from 'node-av/lib';

import { AudioRingReader, type AudioChunk } from '../capture/audio-ring-reader.js';
import { MediaFrameWriter } from '../packetize/media-frame-writer.js';
import { openMediaSocket } from '../packetize/open-media-socket.js';
import { OpusPayloader } from '../packetize/opus-payloader.js';
import { MEDIA_SLOTS } from '../packetize/media-slots.js';
import { AudioTimeline } from './audio-timeline.js';
import { BrowserClock, type Moment } from './browser-clock.js';
import { DtxGate } from './dtx-gate.js';
import { OPUS_FRAME_SAMPLES, OPUS_SAMPLE_RATE_HZ, OpusEncoder } from './opus-encoder.js';
import { PacketTimes } from './packet-times.js';
import { rtpTimestampOf } from '../../base/rtp-clock.js';
import type { AudioReport, AudioRequest, AudioThreadData } from './thread-messages.js';

/** The thread that takes raw samples and encodes them to Opus. */

/** A lost file event costs at most this much. */
const POLL_INTERVAL_MS = 20;
const COUNT_INTERVAL_MS = 1_000;
/**
 * What sound is taken to be older than it is when it arrives. A page that allows for the output latency that WebAudio
 * tells it is in step with its picture at 0 (measured: within 3 ms), one that does not at 15 to 30 (measured, by
 * frame rate): the constant lies between, nearer to the first, since a busy host delays only the picture.
 */
const CAPTURE_LATENCY_US = 10_000;

const port = parentPort;
if (!port) throw new Error('This file runs as a worker thread');
const { source, socketFd, lipSyncToleranceMs, dtx } = workerData as AudioThreadData;
const frames = socketFd === undefined ? undefined : new MediaFrameWriter(openMediaSocket(socketFd));
const payloader = new OpusPayloader(lipSyncToleranceMs);
let tapped = false;
/** Since the last report. */
let packets = 0;

const encoder = new OpusEncoder({ dtx });
const gate = new DtxGate();
const timeline = new AudioTimeline(CAPTURE_LATENCY_US);
const browserClock = new BrowserClock();
const packetTimes = new PacketTimes((OPUS_FRAME_SAMPLES / OPUS_SAMPLE_RATE_HZ) * 1_000_000);
let running = false;

function report(message: AudioReport, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

function now(): Moment {
  return {
    monotonicUs: Number(process.hrtime.bigint() / 1000n),
    wallUs: (performance.timeOrigin + performance.now()) * 1000,
  };
}

function encode(chunk: AudioChunk): void {
  const durationUs = (chunk.samplesPerChannel / chunk.sampleRateHz) * 1_000_000;
  const chunkTimeUs = timeline.captureTimeUs(
    chunk.timestampUs,
    durationUs,
    browserClock.monotonicUs(chunk.arrivalUs, now()),
  );
  // What waits from earlier chunks comes first in the next packet.
  let expectedUs = chunkTimeUs - (encoder.delaySamples / OPUS_SAMPLE_RATE_HZ) * 1_000_000;
  if (!packetTimes.follows(expectedUs)) {
    encoder.reset();
    expectedUs = chunkTimeUs;
  }
  for (const bytes of encoder.encode(chunk)) {
    const captureTimeUs = packetTimes.next(expectedUs);
    const rtpTimestamp = rtpTimestampOf(captureTimeUs, OPUS_SAMPLE_RATE_HZ);
    const packet = { codec: 'opus', bytes, rtpTimestamp, captureTimeUs } as const;
    // Recordings and the like get all of them.
    if (gate.passes(bytes)) frames?.write({ ...payloader.payload(packet), slot: MEDIA_SLOTS.opus });
    packets += 1;
    if (tapped) report({ type: 'packet', packet }, [bytes.buffer]);
  }
}

function drain(): void {
  if (!running) return;
  for (let chunk = reader.next(); chunk; chunk = reader.next()) encode(chunk);
}

function start(): void {
  if (running) return;
  running = true;
  reader.skipToNewest();
  encoder.reset();
  timeline.reset();
  packetTimes.reset();
}

/** A broken encoder ends the thread with a report, not the process. */
function guard(work: () => void): void {
  try {
    work();
  } catch (error) {
    report({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
    close();
  }
}

Log.setLevel(AV_LOG_ERROR);
const reader = new AudioRingReader(source.path);
const watcher = watch(source.path, { persistent: false }, () => guard(drain));
watcher.on('error', () => undefined);
const poll = setInterval(() => guard(drain), POLL_INTERVAL_MS);
const countTimer = setInterval(() => {
  if (packets > 0) report({ type: 'packets', count: packets });
  packets = 0;
}, COUNT_INTERVAL_MS);
port.on('message', (request: AudioRequest) => {
  if (request.type === 'start') start();
  else if (request.type === 'stop') running = false;
  else if (request.type === 'tap') ({ tapped } = request);
  else close();
});

function close(): void {
  running = false;
  watcher.close();
  clearInterval(poll);
  clearInterval(countTimer);
  reader.close();
  encoder.close();
  frames?.close();
  port?.close();
}
