import { asError, StreamKitError } from '../base/errors.js';
import { SerialQueue } from '../base/serial-queue.js';
import type { Capture, CaptureFormat, OpenCapture, SnapshotParameters } from './capture/capture.js';
import type { ProgramInput } from './capture/program-input.js';
import type { PageControls } from './capture/page-controls.js';
import type {
  AudioEncodeThread,
  OpenAudioEncodeThread,
  OpenVideoEncodeThread,
  VideoEncodeThread,
} from './encode/encode-thread.js';
import type { EncodedFrame } from './encode/encoded-frame.js';
import { type EncodingTarget, type VideoStream, videoStream } from '../protocol/video-stream.js';
import type { EncoderCandidate } from './encode/encoder-candidate.js';
import { frameRecord } from './encode/frame-record.js';
import type { RenderStream } from './packetize/media-slots.js';
import type { OpenRender, Render, RenderListener } from './render.js';

/** What a render in this process is made of. */
export interface LocalRenderParts {
  readonly openCapture: OpenCapture;
  readonly openVideoEncodeThread: OpenVideoEncodeThread;
  readonly openAudioEncodeThread: OpenAudioEncodeThread;
  /** Descriptors of the media sockets; undefined: frames come only through taps. */
  readonly socketFds?: { readonly video: number; readonly audio: number } | undefined;
  /** See the option `lipSync`; default 0. */
  readonly lipSyncToleranceMs?: number;
  readonly nowUs: () => number;
}

/** Makes the function that opens renders whose capture and encoders live in this process. */
export function createOpenLocalRender(
  parts: LocalRenderParts,
): (...parameters: Parameters<OpenRender>) => Promise<LocalRender> {
  return async ({ ...parameters }, listener, signal, logContext) => {
    const opened: { render?: LocalRender } = {};
    const capture = await parts.openCapture(
      parameters,
      { ...listener, encodedFrames: () => opened.render?.encodedFrames },
      signal,
      logContext,
    );
    opened.render = new LocalRender(capture, parameters.frameRate, parts, listener);
    return opened.render;
  };
}

/** A capture and the threads that encode it. The threads, and FFmpeg with them, begin with the first stream. */
export class LocalRender implements Render {
  readonly #capture: Capture;
  readonly #parts: LocalRenderParts;
  readonly #listener: RenderListener;
  #format: CaptureFormat;
  #video: VideoEncodeThread | undefined;
  #audio: AudioEncodeThread | undefined;
  /** Pause, resume and changes of the capture, one after the other. */
  readonly #work = new SerialQueue();
  /** What is being encoded. */
  readonly #encoding = new Set<VideoStream>();
  #encodedFrames = 0;
  #isEncodingSound = false;
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(capture: Capture, frameRate: number, parts: LocalRenderParts, listener: RenderListener) {
    this.#capture = capture;
    this.#parts = parts;
    this.#listener = listener;
    const { width, height } = capture.video;
    this.#format = { width, height, frameRate };
  }

  get kind(): Capture['kind'] {
    return this.#capture.kind;
  }

  get processPid(): number {
    return process.pid;
  }

  get browserPid(): number {
    return this.#capture.browserPid;
  }

  get hasAudio(): boolean {
    return this.#capture.audio !== null;
  }

  get controls(): PageControls {
    return this.#capture.controls;
  }

  /** Of all encodings so far; undefined: nothing is being encoded. */
  get encodedFrames(): number | undefined {
    return this.#encoding.size === 0 ? undefined : this.#encodedFrames;
  }

  /** Pictures or sound. */
  get isEncoding(): boolean {
    return this.#encoding.size > 0 || this.#isEncodingSound;
  }

  /** The media plane is another process's. */
  feed(): void {
    // See above.
  }

  /** @param candidates - the encoders to use, best first. */
  startVideo(
    stream: VideoStream,
    target: EncodingTarget,
    candidates: readonly EncoderCandidate[] = [],
  ): void {
    if (this.#closed) return;
    this.#encoding.add(stream);
    this.#videoThread().start(stream, target, candidates);
  }

  stopVideo(stream: VideoStream): void {
    this.#encoding.delete(stream);
    this.#video?.stop(stream);
  }

  requestKeyframe(stream: VideoStream): void {
    this.#video?.requestKeyframe(stream);
  }

  refresh(): void {
    this.#video?.refresh();
  }

  setTarget(stream: VideoStream, target: EncodingTarget): void {
    this.#video?.setTarget(stream, target);
  }

  startAudio(): void {
    if (this.#closed) return;
    this.#isEncodingSound = true;
    this.#audioThread()?.start();
  }

  stopAudio(): void {
    this.#isEncodingSound = false;
    this.#audio?.stop();
  }

  tap(stream: RenderStream, tapped: boolean): void {
    if (this.#closed) return;
    if (stream === 'opus') this.#audioThread()?.tap(tapped);
    else this.#videoThread().tap(stream, tapped);
  }

  pause(): Promise<void> {
    return this.#afterWork(() => this.#capture.pause());
  }

  resume(): Promise<void> {
    return this.#afterWork(() => this.#capture.resume());
  }

  reconfigure(format: CaptureFormat): Promise<void> {
    return this.#afterWork(async () => {
      await this.#capture.reconfigure(format);
      this.#format = format;
      this.#video?.reconfigure(format);
    });
  }

  setViewerCount(count: number): void {
    this.#capture.setViewerCount(count);
  }

  setProgramInput(input: ProgramInput): void {
    this.#capture.setProgramInput(input);
  }

  setPageState(state: unknown): void {
    this.#capture.setPageState(state);
  }

  sendToPage(message: unknown): void {
    this.#capture.sendToPage(message);
  }

  openDebugger(): Promise<string> {
    return this.#capture.openDebugger();
  }

  snapshot(parameters: SnapshotParameters): Promise<Uint8Array> {
    return this.#capture.snapshot(parameters);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#closing ??= (async () => {
      await Promise.all([this.#video?.close(), this.#audio?.close()]);
      await this.#capture.close();
    })();
    return this.#closing;
  }

  #videoThread(): VideoEncodeThread {
    this.#video ??= this.#parts.openVideoEncodeThread(
      {
        source: { ...this.#capture.video, width: this.#format.width, height: this.#format.height },
        frameRate: this.#format.frameRate,
        socketFd: this.#parts.socketFds?.video,
      },
      {
        onEncodedFrame: (frame) => this.#onEncodedFrame(frame),
        onKeyframe: (stream) => this.#listener.onKeyframe(stream),
        onFrames: (stream, frames) => {
          this.#encodedFrames += frames.length;
          this.#listener.onFrames(stream, frames);
        },
        onStats: (stats) => this.#listener.onVideoStats(stats),
        onEncoderReplaced: (replacement) => this.#listener.onEncoderReplaced(replacement),
        onError: (error) => this.#fail(error),
      },
    );
    return this.#video;
  }

  #audioThread(): AudioEncodeThread | undefined {
    const { audio } = this.#capture;
    if (audio === null) return undefined;
    this.#audio ??= this.#parts.openAudioEncodeThread(
      {
        source: audio,
        socketFd: this.#parts.socketFds?.audio,
        lipSyncToleranceMs: this.#parts.lipSyncToleranceMs ?? 0,
      },
      {
        onEncodedAudio: (packet) => this.#listener.onEncodedAudio(packet),
        onError: (error) => this.#fail(error),
      },
    );
    return this.#audio;
  }

  /** Without a media socket the listener itself hands frames to the media plane, right when it gets them. */
  #onEncodedFrame(frame: EncodedFrame): void {
    this.#listener.onEncodedFrame(frame);
    this.#encodedFrames += 1;
    if (this.#parts.socketFds !== undefined) return;
    const stream = videoStream(frame.codec, frame.rung);
    this.#listener.onFrames(stream, [frameRecord(frame, this.#parts.nowUs())]);
    if (frame.keyframe) this.#listener.onKeyframe(stream);
  }

  #afterWork(work: () => Promise<void>): Promise<void> {
    return this.#work.run(async () => {
      if (this.#closed) return;
      try {
        await work();
      } catch (thrown) {
        const cause = asError(thrown);
        this.#fail(new StreamKitError('capture_failed', 'The capture could not be switched', { cause }));
      }
    });
  }

  #fail(error: StreamKitError): void {
    if (!this.#closed) this.#listener.onEnded(error);
  }
}
