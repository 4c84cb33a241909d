import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { SerialQueue } from '../base/serial-queue.js';
import type {
  Capture,
  CaptureFormat,
  EncodedCounts,
  OpenCapture,
  ProfileTarget,
  SnapshotParameters,
} from './capture/capture.js';
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
  readonly socketFds?: MediaSocketFds | undefined;
  /** See the option `lipSync`; default 0. */
  readonly lipSyncToleranceMs?: number;
  /** See the option `soundDtx`; default false. */
  readonly soundDtx?: boolean;
  readonly nowUs: () => number;
  readonly logger: Logger;
}

interface MediaSocketFds {
  readonly video: number;
  readonly audio: number;
  /** One for each thread that takes the place of a failed one. */
  readonly spares: readonly number[];
}

/** As many threads as may be replaced where none has a socket. */
const NO_SPARES = [undefined, undefined];

/** Makes the function that opens renders whose capture and encoders live in this process. */
export function createOpenLocalRender(
  parts: LocalRenderParts,
): (...parameters: Parameters<OpenRender>) => Promise<LocalRender> {
  return async ({ ...parameters }, listener, signal, logContext) => {
    const opened: { render?: LocalRender } = {};
    const capture = await parts.openCapture(
      parameters,
      {
        ...listener,
        encoded: () => opened.render?.encoded,
        onEncodingStalled: (what) => opened.render?.restartEncoding(what),
      },
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
  /** What is being encoded, and how. */
  readonly #encoding = new Map<
    VideoStream,
    { readonly target: EncodingTarget; readonly candidates: readonly EncoderCandidate[] }
  >();
  readonly #tapped = new Set<RenderStream>();
  /**
   * Descriptors for the threads that replace failed ones, pictures' or sound's: what failed may have written a part of a frame,
   * after which its socket is of no use. With none left, the render ends.
   */
  readonly #spareFds: (number | undefined)[];
  #encodedFrames = 0;
  #encodedPackets = 0;
  #isEncodingSound = false;
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(capture: Capture, frameRate: number, parts: LocalRenderParts, listener: RenderListener) {
    this.#capture = capture;
    this.#parts = parts;
    this.#listener = listener;
    this.#spareFds = [...(parts.socketFds?.spares ?? NO_SPARES)];
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
    return this.#capture.page.browserPid;
  }

  get hasAudio(): boolean {
    return this.#capture.audio !== null;
  }

  get controls(): PageControls {
    return this.#capture.page.controls;
  }

  get encoded(): EncodedCounts {
    return {
      pictures: this.#encoding.size === 0 ? undefined : this.#encodedFrames,
      sound: this.#isEncodingSound ? this.#encodedPackets : undefined,
    };
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
    this.#encoding.set(stream, { target, candidates });
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
    const encoding = this.#encoding.get(stream);
    if (encoding !== undefined) this.#encoding.set(stream, { ...encoding, target });
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
    if (tapped) this.#tapped.add(stream);
    else this.#tapped.delete(stream);
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
    this.#capture.page.setViewerCount(count);
  }

  setProgramInput(input: ProgramInput): void {
    this.#capture.page.setProgramInput(input);
  }

  setPageState(state: unknown): void {
    this.#capture.page.setPageState(state);
  }

  sendToPage(message: unknown): void {
    this.#capture.page.sendToPage(message);
  }

  openDebugger(): Promise<string> {
    return this.#capture.page.openDebugger();
  }

  snapshot(parameters: SnapshotParameters): Promise<Uint8Array> {
    return this.#capture.snapshot(parameters);
  }

  async storeProfile(target: ProfileTarget): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#video?.close(), this.#audio?.close()]);
    await this.#capture.storeProfile(target);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#closing ??= (async () => {
      await Promise.all([this.#video?.close(), this.#audio?.close()]);
      await this.#capture.close();
    })();
    return this.#closing;
  }

  /** Nothing of them is encoded: another thread does from now on. */
  restartEncoding(what: 'pictures' | 'sound'): void {
    const error = new StreamKitError('encoder_failed', `The encoding of ${what} hangs`);
    if (what === 'pictures') this.#restartVideoThread(error);
    else this.#restartAudioThread(error);
  }

  #restartVideoThread(error: StreamKitError): void {
    this.#restartThread(this.#video, 'pictures', error, async (socketFd) => {
      await this.#capture.renewVideo();
      if (this.#closed) return;
      const thread = this.#openVideoThread(socketFd);
      this.#video = thread;
      for (const stream of this.#tapped) if (stream !== 'opus') thread.tap(stream, true);
      for (const [stream, { target, candidates }] of this.#encoding) thread.start(stream, target, candidates);
    });
  }

  #restartAudioThread(error: StreamKitError): void {
    this.#restartThread(this.#audio, 'sound', error, (socketFd) => {
      this.#audio = this.#openAudioThread(socketFd);
      this.#audio?.tap(this.#tapped.has('opus'));
      if (this.#isEncodingSound) this.#audio?.start();
    });
  }

  /** Until the next one is there, orders to the former one are lost: the next one is told what holds by then. */
  #restartThread(
    thread: VideoEncodeThread | AudioEncodeThread | undefined,
    what: string,
    error: StreamKitError,
    reopen: (socketFd: number | undefined) => void | Promise<void>,
  ): void {
    if (this.#closed || thread === undefined) return;
    if (this.#spareFds.length === 0) {
      this.#fail(error);
      return;
    }
    const socketFd = this.#spareFds.shift();
    thread.abandon();
    const message = `The encoding of ${what} failed and is started again`;
    this.#parts.logger.warn({ err: error, code: error.code }, message);
    this.#listener.onFault(error.code, message);
    void this.#afterWork(async () => reopen(socketFd));
  }

  #videoThread(): VideoEncodeThread {
    this.#video ??= this.#openVideoThread(this.#parts.socketFds?.video);
    return this.#video;
  }

  #openVideoThread(socketFd: number | undefined): VideoEncodeThread {
    return this.#parts.openVideoEncodeThread(
      {
        source: { ...this.#capture.video, width: this.#format.width, height: this.#format.height },
        frameRate: this.#format.frameRate,
        socketFd,
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
        onError: (error) => this.#restartVideoThread(error),
      },
    );
  }

  #audioThread(): AudioEncodeThread | undefined {
    this.#audio ??= this.#openAudioThread(this.#parts.socketFds?.audio);
    return this.#audio;
  }

  #openAudioThread(socketFd: number | undefined): AudioEncodeThread | undefined {
    const { audio } = this.#capture;
    if (audio === null) return undefined;
    return this.#parts.openAudioEncodeThread(
      {
        source: audio,
        socketFd,
        lipSyncToleranceMs: this.#parts.lipSyncToleranceMs ?? 0,
        dtx: this.#parts.soundDtx ?? false,
      },
      {
        onEncodedAudio: (packet) => this.#listener.onEncodedAudio(packet),
        onPackets: (count) => {
          this.#encodedPackets += count;
        },
        onError: (error) => this.#restartAudioThread(error),
      },
    );
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
