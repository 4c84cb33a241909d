import { parentPort, workerData } from 'node:worker_threads';

import { AV_LOG_ERROR } from 'node-av/constants';
import { Log } from 'node-av/lib';

import { openFrameReader } from '../capture/open-frame-reader.js';
import { MediaFrameWriter } from '../packetize/media-frame-writer.js';
import { MEDIA_SLOTS } from '../packetize/media-slots.js';
import { openMediaSocket } from '../packetize/open-media-socket.js';
import { createVideoPayloader, type VideoPayloader } from '../packetize/video-payloader.js';
import type { EncodedFrame } from './encoded-frame.js';
import { openVideoEncoder, type EncoderCandidate } from './encoder-candidate.js';
import { EncoderMeter } from './encoder-meter.js';
import { FailoverVideoEncoder } from './failover-video-encoder.js';
import { frameRecord, type FrameRecord } from './frame-record.js';
import { PictureFeed } from './picture-feed.js';
import { rtpTimestampOf, VIDEO_CLOCK_RATE_HZ } from '../../base/rtp-clock.js';
import { StillRefinement } from './still-refinement.js';
import type { VideoReport, VideoRequest, VideoThreadData } from './thread-messages.js';
import type { CompressedPicture, PictureFormat, PictureTimes } from './video-encoder.js';
import { codecOf, type EncodingTarget, rungOf, type VideoStream } from '../../protocol/video-stream.js';

/** The thread that takes raw pictures and encodes each once per stream. */

const STATS_INTERVAL_MS = 1_000;
/** Of one stream between two reports; beyond it the oldest are forgotten. */
const MAX_RECORDS = 256;
/** A capturer's intervals vary: a picture is early only by more than this share of the interval. */
const EARLY_SHARE = 0.25;
/** How far the capture time of a picture usually lies behind the moment at which it can be read. */
const CAPTURE_LATENCY_US = 15_000;
/** With nobody to take its pictures the capture pauses, by then at the latest. */
const PAUSE_SETTLES_US = 1_000_000;
/** How long the capturer may take for its first picture after a pause. */
const FRESH_WAIT_US = 400_000;
/** Between two encodings of a still page that is not yet as good as it gets, see {@link StillRefinement}. */
const REFINEMENT_INTERVAL_US = 100_000;
/** Between two encodings of a still page after that. Chromium asks for a keyframe 3 s after the last picture. */
const STILL_INTERVAL_US = 1_800_000;
/** An encoding of fewer pictures per second does not keep a still page from coming to rest. */
const SLOW_FRAME_RATE = 5;

interface ActiveEncoder {
  readonly stream: VideoStream;
  readonly encoder: FailoverVideoEncoder;
  target: EncodingTarget;
  /** What the encoder is opened for: its rate control knows the time between pictures, however few of them it gets. */
  format: PictureFormat;
  /** Pictures per second that it gets, at most those that are captured. */
  frameRate: number;
  /** When the next one is due, if they are fewer, capture time in µs. */
  nextDueUs: number;
  readonly payloader: VideoPayloader;
  readonly meter: EncoderMeter;
  refinement: StillRefinement;
  /** Frames that were written to the socket since the last report. */
  records: FrameRecord[];
  keyframeWanted: boolean;
}

const port = parentPort;
if (!port) throw new Error('This file runs as a worker thread');
const { source, frameRate: firstFrameRate, socketFd } = workerData as VideoThreadData;
const socket = socketFd === undefined ? undefined : new MediaFrameWriter(openMediaSocket(socketFd));
const tapped = new Set<VideoStream>();
let format: PictureFormat = { width: source.width, height: source.height, frameRate: firstFrameRate };
let frameIntervalUs = 1_000_000 / firstFrameRate;

const feed = new PictureFeed();
const encoders = new Map<VideoStream, ActiveEncoder>();
let lastCaptureTimeUs = 0;
let lastEncodedAtUs = 0;
let lastSequence = 0;
let framesRead = 0;
let framesDropped = 0;
let nextDueUs = 0;
let paceTimer: NodeJS.Timeout | undefined;
let stillTimer: NodeJS.Timeout | undefined;
let stillDueUs = 0;
/** When the last encoder was stopped. */
let idleSinceUs = -Infinity;
/** Until then a picture newer than the last pause is waited for. */
let freshDueUs = 0;

const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

function report(message: VideoReport, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

/** Whether it is the picture's turn, where fewer are wanted than are captured. */
function takesTurn(active: ActiveEncoder, captureTimeUs: number): boolean {
  if (active.frameRate >= format.frameRate) return true;
  const intervalUs = 1_000_000 / active.frameRate;
  const earlyUs = active.nextDueUs - captureTimeUs;
  if (earlyUs > frameIntervalUs / 2 && !active.keyframeWanted) return false;
  active.nextDueUs =
    (earlyUs < -intervalUs || active.keyframeWanted ? captureTimeUs : active.nextDueUs) + intervalUs;
  return true;
}

/** What a target comes to with what is captured. */
function formatOf({ width = Infinity, height = Infinity }: EncodingTarget): PictureFormat {
  return width <= format.width && height <= format.height ? { ...format, width, height } : format;
}

function frameRateOf({ frameRate = Infinity }: EncodingTarget): number {
  return Math.min(frameRate, format.frameRate);
}

function encodeOne(active: ActiveEncoder, times: PictureTimes): void {
  if (!takesTurn(active, times.captureTimeUs)) return;
  const picture = feed.lastAt(active.format.width, active.format.height);
  if (picture) active.encoder.encode(picture, times, active.keyframeWanted);
}

function sendOn(active: ActiveEncoder, { bytes, keyframe, times }: CompressedPicture): void {
  if (keyframe) active.keyframeWanted = false;
  active.meter.add(bytes.byteLength);
  if (times.repeated === true) active.refinement.add(bytes.byteLength);
  else active.refinement.changed(bytes.byteLength);
  const rtpTimestamp = rtpTimestampOf(times.captureTimeUs, VIDEO_CLOCK_RATE_HZ);
  const { codec } = active.encoder;
  const { captureTimeUs, readTimeUs, repeated = false } = times;
  const frame: EncodedFrame = {
    ...{ codec, bytes, keyframe, rtpTimestamp, captureTimeUs, readTimeUs, repeated },
    rung: rungOf(active.stream),
    encodedTimeUs: nowUs(),
  };
  if (socket !== undefined) write(socket, active, frame);
  if (tapped.has(active.stream)) report({ type: 'frame', frame }, [bytes.buffer]);
}

function write(writer: MediaFrameWriter, active: ActiveEncoder, frame: EncodedFrame): void {
  const { stream } = active;
  if (!writer.write({ ...active.payloader.payload(frame), slot: MEDIA_SLOTS[stream] })) {
    active.keyframeWanted = true;
    return;
  }
  if (frame.keyframe) report({ type: 'keyframe', stream });
  if (active.records.length === MAX_RECORDS) active.records.shift();
  active.records.push(frameRecord(frame, nowUs()));
}

/** The newest picture, through every encoder, when the next one is due. */
function takePicture(): void {
  if (encoders.size === 0) return;
  const earlyUs = nextDueUs - nowUs();
  if (earlyUs > frameIntervalUs * EARLY_SHARE) {
    // The source is faster than the session: whatever is newest when the next picture is due is taken then.
    paceTimer ??= setTimeout(() => {
      paceTimer = undefined;
      guard(takePicture);
    }, earlyUs / 1000);
    return;
  }
  const readTimeUs = nowUs();
  const frame = reader.next();
  if (!frame || !feed.take(frame)) return;
  framesRead++;
  const behind = earlyUs < -frameIntervalUs;
  if (behind && lastSequence !== 0) framesDropped += Math.max(0, frame.sequence - lastSequence - 1);
  lastSequence = frame.sequence;
  freshDueUs = 0;
  // Due times keep their phase, so that a picture that came late does not make the next one late.
  nextDueUs = behind ? nowUs() + frameIntervalUs : nextDueUs + frameIntervalUs;
  encodeAll(frame.captureTimeUs, readTimeUs, false);
}

function encodeAll(captureTimeUs: number, readTimeUs: number, repeated: boolean): void {
  clearTimeout(stillTimer);
  stillTimer = undefined;
  // The capture clock and ours are the same, but a picture that was encoded again has taken a time of its own.
  lastCaptureTimeUs = Math.max(captureTimeUs, lastCaptureTimeUs + 1_000);
  lastEncodedAtUs = nowUs();
  for (const active of encoders.values()) {
    encodeOne(active, { captureTimeUs: lastCaptureTimeUs, readTimeUs, repeated });
  }
  // One of few pictures is not waited for: it would keep the others at work.
  const isSettled = [...encoders.values()].every(
    ({ refinement, frameRate }) => refinement.isSettled || frameRate < SLOW_FRAME_RATE,
  );
  scheduleStill(isSettled ? STILL_INTERVAL_US : REFINEMENT_INTERVAL_US);
}

/** Encodes the last picture again in `delayUs`, unless a new one comes before. */
function scheduleStill(delayUs: number): void {
  if (!feed.last) return;
  const dueUs = nowUs() + delayUs;
  if (stillTimer && stillDueUs <= dueUs) return;
  clearTimeout(stillTimer);
  stillDueUs = dueUs;
  stillTimer = setTimeout(() => {
    stillTimer = undefined;
    guard(() => encodeAll(nowUs() - CAPTURE_LATENCY_US, nowUs(), true));
  }, delayUs / 1000);
}

/** A moving page brings its next picture by itself; a still one is encoded again at once. */
function wantKeyframe(active: ActiveEncoder): void {
  active.keyframeWanted = true;
  active.refinement.restart();
  // The picture that is waited for brings it.
  if (nowUs() < freshDueUs) return;
  const quietUs = nowUs() - lastEncodedAtUs;
  scheduleStill(quietUs > 2 * frameIntervalUs ? 0 : 2 * frameIntervalUs);
}

function start(stream: VideoStream, target: EncodingTarget, candidates: readonly EncoderCandidate[]): void {
  if (encoders.has(stream)) return;
  const codec = codecOf(stream);
  // JPEG knows BT.601 alone (JFIF 1.02).
  const matrix = source.kind === 'ring' ? source.matrix : 'bt601';
  const wanted = formatOf(target);
  const encoder = new FailoverVideoEncoder(
    candidates,
    openVideoEncoder,
    { codec, ...wanted, bitrateBps: target.bitrateBps, matrix },
    {
      onCompressed: (picture) => sendOn(active, picture),
      onDropped: () => framesDropped++,
      onFailed: fail,
      onReplaced: (replacement) => {
        report({ type: 'replaced', replacement: { ...replacement, rung: rungOf(stream) } });
        // The constructor may pass over a candidate before there is anything to ask.
        const current = encoders.get(stream);
        if (current) wantKeyframe(current);
      },
    },
  );
  const active: ActiveEncoder = {
    stream,
    encoder,
    target,
    format: wanted,
    frameRate: frameRateOf(target),
    nextDueUs: 0,
    payloader: createVideoPayloader(codec),
    meter: new EncoderMeter(nowUs()),
    refinement: new StillRefinement(wanted),
    records: [],
    keyframeWanted: true,
  };
  if (encoders.size === 0) takeMissed();
  encoders.set(stream, active);
  wantKeyframe(active);
  if (nowUs() < freshDueUs) scheduleStill(freshDueUs - nowUs());
}

/**
 * What came while nothing was there to take it: it may be the only picture of a still page. One from before a pause would show
 * what is no more: the capturer, which sends one when it goes on, is waited for a little.
 */
function takeMissed(): void {
  const missed = reader.next();
  if (missed && feed.take(missed)) lastSequence = missed.sequence;
  const takenAtUs = missed?.captureTimeUs ?? lastCaptureTimeUs;
  freshDueUs = takenAtUs < idleSinceUs + PAUSE_SETTLES_US ? nowUs() + FRESH_WAIT_US : 0;
}

function stop(stream: VideoStream): void {
  encoders.get(stream)?.encoder.close();
  encoders.delete(stream);
  if (encoders.size > 0) return;
  idleSinceUs = nowUs();
  clearTimeout(stillTimer);
  stillTimer = undefined;
}

/** Another rate costs a keyframe where the encoder has no dynamic bit rate; another size does with all. */
function retarget(active: ActiveEncoder, target: EncodingTarget): void {
  active.target = target;
  active.frameRate = frameRateOf(target);
  active.nextDueUs = 0;
  active.encoder.setBitrate(target.bitrateBps);
  const { width, height } = active.format;
  const next = formatOf(target);
  if (next.width !== width || next.height !== height) follow(active, next);
}

/** Goes on in another format, beginning with a keyframe. */
function follow(active: ActiveEncoder, next: PictureFormat): void {
  active.format = next;
  active.frameRate = frameRateOf(active.target);
  active.nextDueUs = 0;
  active.encoder.reconfigure(next);
  active.refinement = new StillRefinement(next);
  wantKeyframe(active);
}

/** Until the first picture of the new size comes there is none to encode: the last one is of another size. */
function reconfigure(next: PictureFormat): void {
  const resized = next.width !== format.width || next.height !== format.height;
  format = next;
  frameIntervalUs = 1_000_000 / next.frameRate;
  nextDueUs = 0;
  if (resized) {
    clearTimeout(stillTimer);
    stillTimer = undefined;
    feed.close();
    reader.resize(next.width, next.height);
  }
  for (const active of encoders.values()) follow(active, formatOf(active.target));
}

function handle(request: VideoRequest): void {
  switch (request.type) {
    case 'start':
      start(request.stream, request.target, request.candidates);
      break;
    case 'stop':
      stop(request.stream);
      break;
    case 'keyframe': {
      const active = encoders.get(request.stream);
      if (active) wantKeyframe(active);
      break;
    }
    case 'tap':
      if (request.tapped) tapped.add(request.stream);
      else tapped.delete(request.stream);
      break;
    case 'refresh':
      scheduleStill(0);
      break;
    case 'target': {
      const active = encoders.get(request.stream);
      if (active) retarget(active, request.target);
      break;
    }
    case 'reconfigure':
      reconfigure(request.format);
      break;
    case 'close':
      close();
      break;
  }
}

function reportStats(): void {
  for (const active of encoders.values()) {
    const { encoder, meter, records, stream } = active;
    if (records.length > 0) report({ type: 'frames', stream, frames: records });
    active.records = [];
    const { width, height } = active.format;
    const { frameRate: measured, bitrateBps } = meter.read(nowUs());
    const { codec, name, candidate } = encoder;
    report({
      type: 'stats',
      stats: {
        ...{
          codec,
          rung: rungOf(stream),
          encoder: name,
          candidate,
          width,
          height,
          frameRate: measured,
          bitrateBps,
        },
        ...{ framesRead, framesDropped },
      },
    });
  }
}

/** A broken encoder ends the thread with a report, not the process. */
function guard(work: () => void): void {
  try {
    work();
  } catch (error) {
    fail(error);
  }
}

function fail(error: unknown): void {
  report({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  close();
}

// FFmpeg writes its log to the terminal unless told otherwise.
Log.setLevel(AV_LOG_ERROR);
const reader = openFrameReader(source, () => guard(takePicture));
const statsTimer = setInterval(reportStats, STATS_INTERVAL_MS);
port.on('message', (request: VideoRequest) => guard(() => handle(request)));

function close(): void {
  clearInterval(statsTimer);
  clearTimeout(stillTimer);
  clearTimeout(paceTimer);
  for (const stream of [...encoders.keys()]) stop(stream);
  reader.close();
  feed.close();
  socket?.close();
  port?.close();
}
