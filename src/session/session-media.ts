import type { Capture, CaptureFormat } from '../render/capture/capture.js';
import type {
  AudioEncodeThread,
  EncoderReplacement,
  VideoEncodeThread,
  VideoEncoderStats,
} from '../render/encode/encode-thread.js';
import type { EncodedAudio, EncodedFrame, VideoCodec } from '../render/encode/encoded-frame.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Producer } from '../fanout/media-plane.js';
import type { Logger } from '../base/logger.js';
import type { ConnectedMedia } from '../peer/viewer-peer.js';
import type { PacketSink, PacketSource } from '../recording/packet-source.js';
import { EncodingFigures, type EncodingDiagnostics, type EncodingTargets } from './encoding-figures.js';
import { OnDemand } from './on-demand.js';
import { viewerFigures } from './session-figures.js';
import { openMediaShare, type MediaShare } from './media-share.js';
import type { AudioPayloader, SessionParts, VideoPayloader } from './session-parts.js';

export interface SessionMediaListener {
  /** About once a second: the first codec that is being encoded. */
  onVideoStats(stats: VideoEncoderStats): void;
  /** No codec is being encoded any more. */
  onVideoIdle(): void;
  /** Nothing more will come. */
  onMediaError(error: StreamKitError): void;
}

export interface SessionMediaParameters {
  readonly capture: Capture;
  readonly frameRate: number;
  readonly bitrateBps: number;
  readonly pauseGraceMs: number;
  /** A viewer that joins gets the pictures since the last keyframe. */
  readonly replayOnJoin: boolean;
  readonly parts: SessionParts;
  readonly streamId: string;
  readonly logger: Logger;
}

interface VideoBranch {
  readonly producer: Producer;
  readonly payloader: VideoPayloader;
  readonly encoding: OnDemand;
  /** FFmpeg's name of the one that runs, as soon as it is known. */
  encoder: string | undefined;
  /** Pictures that newcomers can be given first are with the producer. */
  begun: boolean;
  /** Newcomers that were sent nothing yet. */
  readonly newcomers: Set<() => void>;
}

interface AudioBranch {
  readonly producer: Producer;
  readonly payloader: AudioPayloader;
  readonly encoding: OnDemand;
  readonly thread: AudioEncodeThread;
}

/**
 * From a capture to the producers of its session: one encoding a codec for all viewers, each running from its
 * first viewer until a grace time after its last, and the capture with them.
 */
export class SessionMedia {
  readonly #parameters: SessionMediaParameters;
  readonly #listener: SessionMediaListener;
  readonly #videoThread: VideoEncodeThread;
  readonly #video = new Map<VideoCodec, VideoBranch>();
  readonly #audio: AudioBranch | null;
  readonly #capturing: OnDemand;
  /** Recorders, by what they take. */
  readonly #taps = new Map<PacketSource, PacketSink>();
  /** Pause and resume of the capture, one after the other. */
  #captureWork: Promise<void> = Promise.resolve();
  #bitrateBps: number;
  #closed = false;
  #framesRead = 0;
  #framesDropped = 0;
  readonly #encodings: EncodingFigures;
  readonly #closeFigures: () => void;

  constructor(parameters: SessionMediaParameters, listener: SessionMediaListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    this.#bitrateBps = parameters.bitrateBps;
    const { capture, frameRate, parts, pauseGraceMs } = parameters;
    this.#encodings = new EncodingFigures(parts.createFrameTiming);
    this.#videoThread = parts.openVideoEncodeThread(
      { source: capture.video, frameRate },
      {
        onEncodedFrame: (frame) => this.#onEncodedFrame(frame),
        onStats: (stats) => this.#onStats(stats),
        onEncoderReplaced: (replacement) => this.#onEncoderReplaced(replacement),
        onError: (error) => this.#fail(error),
      },
    );
    this.#closeFigures = parts.figures.pictures.open(() => ({
      framesRead: this.#framesRead,
      framesDropped: this.#framesDropped,
    }));
    try {
      this.#audio = this.#openAudio();
    } catch (thrown) {
      this.#closeFigures();
      void this.#videoThread.close();
      throw thrown;
    }
    this.#capturing = new OnDemand({
      clock: parts.clock,
      graceMs: pauseGraceMs,
      running: true,
      start: () => this.#afterCaptureWork(() => capture.resume()),
      stop: () => this.#afterCaptureWork(() => capture.pause()),
    });
  }

  get hasAudio(): boolean {
    return this.#audio !== null;
  }

  /** What each codec's encoding does that was ever started. */
  encodings(targets: EncodingTargets): EncodingDiagnostics[] {
    const isRunning = (codec: VideoCodec): boolean => this.#video.get(codec)?.encoding.running === true;
    return this.#encodings.read(targets, this.#parameters.parts.clock.nowUs(), isRunning);
  }

  /**
   * Begins to send to a viewer whose peer is connected.
   *
   * @param onFirstFrame - the first picture that it can decode is on its way; at most once.
   */
  attach(media: ConnectedMedia, onFirstFrame: () => void = () => undefined): MediaShare {
    const { parts } = this.#parameters;
    const audio = media.audio === null ? null : this.#audio;
    const branch = this.#videoBranch(media.videoCodec);
    const videoConsumer = media.transport.consume(branch.producer, media.video);
    const audioConsumer =
      audio === null || media.audio === null
        ? undefined
        : media.transport.consume(audio.producer, media.audio);
    const closeFigures = parts.figures.viewers.open(() =>
      viewerFigures(videoConsumer.stats, audioConsumer?.stats, media.transport.rtcpDropped),
    );
    if (this.#replays(branch)) onFirstFrame();
    else branch.newcomers.add(onFirstFrame);
    return openMediaShare({
      videoCodec: media.videoCodec,
      video: videoConsumer,
      audio: audioConsumer,
      // The capture first: what the encoder starts from should be as fresh as it can be.
      needs: [this.#capturing, branch.encoding, ...(audio === null ? [] : [audio.encoding])],
      onClosed: () => {
        closeFigures();
        branch.newcomers.delete(onFirstFrame);
      },
    });
  }

  /** Goes on in another size or rate: capture first, then what encodes it. Resolves when both know. */
  reconfigure(format: CaptureFormat, bitrateBps: number): Promise<void> {
    return new Promise((resolve) => {
      this.#afterCaptureWork(async () => {
        await this.#parameters.capture.reconfigure(format);
        this.#bitrateBps = bitrateBps;
        this.#videoThread.reconfigure(format);
        for (const [codec, branch] of this.#video) {
          branch.producer.setTargetBitrate(bitrateBps);
          if (branch.encoding.running) this.#videoThread.setBitrate(codec, bitrateBps);
        }
      });
      void this.#captureWork.then(resolve);
    });
  }

  /** Somebody records. */
  get tapped(): boolean {
    return this.#taps.size > 0;
  }

  /** Begins to hand out what is encoded to one of `codecs`: the first that is running, or else the first. */
  tap(codecs: readonly VideoCodec[], sink: PacketSink): PacketSource {
    const running = codecs.find((candidate) => this.#video.get(candidate)?.encoding.running === true);
    const codec = running ?? codecs[0] ?? 'h264';
    const video = this.#videoBranch(codec);
    const needs = [this.#capturing, video.encoding, ...(this.#audio === null ? [] : [this.#audio.encoding])];
    const tap: PacketSource = {
      codec,
      hasAudio: this.hasAudio,
      requestKeyframe: () => this.#requestKeyframe(codec),
      refresh: () => this.#videoThread.refresh(),
      close: () => {
        if (!this.#taps.delete(tap) || this.#closed) return;
        for (const need of needs) need.release();
      },
    };
    this.#taps.set(tap, sink);
    const wasRunning = video.encoding.running;
    for (const need of needs) need.hold();
    // One that has just been started begins with a keyframe.
    if (wasRunning) tap.requestKeyframe();
    return tap;
  }

  /** Closes producers, then encoders; the capture is its owner's. Resolves when the threads have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    const branches = [...this.#video.values(), ...(this.#audio === null ? [] : [this.#audio])];
    this.#capturing.close();
    for (const branch of branches) branch.encoding.close();
    for (const branch of branches) branch.producer.close();
    for (const [codec, branch] of this.#video) this.#onEncoder(codec, branch, undefined);
    this.#closeFigures();
    const recorders = [...this.#taps.values()].map((sink) => sink.onSourceEnded());
    await Promise.all([this.#videoThread.close(), this.#audio?.thread.close(), ...recorders]);
    await this.#captureWork;
  }

  #videoBranch(codec: VideoCodec): VideoBranch {
    const existing = this.#video.get(codec);
    if (existing !== undefined) return existing;
    const { parts, pauseGraceMs, replayOnJoin } = this.#parameters;
    const encoding = new OnDemand({
      clock: parts.clock,
      graceMs: pauseGraceMs,
      running: false,
      start: () => this.#videoThread.start(codec, this.#bitrateBps),
      stop: () => {
        this.#videoThread.stop(codec);
        branch.begun = false;
        this.#onEncoder(codec, branch, undefined);
        if (this.#firstEncoding() === undefined) this.#listener.onVideoIdle();
      },
    });
    const branch: VideoBranch = {
      payloader: parts.createVideoPayloader(codec),
      encoding,
      encoder: undefined,
      begun: false,
      newcomers: new Set(),
      producer: parts.mediaPlane.createProducer(
        { kind: 'video', clockRateHz: 90_000, gopReplay: replayOnJoin, targetBitrateBps: this.#bitrateBps },
        {
          onKeyframeWanted: () => {
            // An encoder that is about to start begins with one anyway.
            if (encoding.running) this.#requestKeyframe(codec);
          },
        },
      ),
    };
    this.#video.set(codec, branch);
    return branch;
  }

  #openAudio(): AudioBranch | null {
    const { capture, parts, pauseGraceMs } = this.#parameters;
    if (capture.audio === null) return null;
    const payloader = parts.createAudioPayloader();
    const producer = parts.mediaPlane.createProducer(
      { kind: 'audio', clockRateHz: 48_000 },
      { onKeyframeWanted: () => undefined },
    );
    const thread = parts.openAudioEncodeThread(capture.audio, {
      onEncodedAudio: (packet) => this.#onEncodedAudio(packet),
      onError: (error) => this.#fail(error),
    });
    return {
      thread,
      payloader,
      producer,
      encoding: new OnDemand({
        clock: parts.clock,
        graceMs: pauseGraceMs,
        running: false,
        start: () => thread.start(),
        stop: () => thread.stop(),
      }),
    };
  }

  #onEncodedFrame(frame: EncodedFrame): void {
    const branch = this.#video.get(frame.codec);
    if (branch === undefined || this.#closed) return;
    this.#send(() => branch.producer.send(branch.payloader.payload(frame)));
    this.#encodings.sent(frame, this.#parameters.parts.clock.nowUs());
    this.#tellOf(frame, branch);
    for (const [{ codec }, sink] of this.#taps) if (codec === frame.codec) sink.onEncodedFrame(frame);
  }

  #onEncodedAudio(packet: EncodedAudio): void {
    const branch = this.#audio;
    if (branch === null || this.#closed) return;
    this.#send(() => branch.producer.send(branch.payloader.payload(packet)));
    for (const sink of this.#taps.values()) sink.onEncodedAudio(packet);
  }

  /** A frame that cannot be split is an encoder gone wrong: it ends this session and no other. */
  #send(send: () => void): void {
    if (this.#closed) return;
    try {
      send();
    } catch (thrown) {
      const cause = asError(thrown);
      this.#fail(new StreamKitError('encoder_failed', 'The encoder produced an unusable frame', { cause }));
    }
  }

  #onStats(stats: VideoEncoderStats): void {
    if (this.#closed) return;
    this.#encodings.measured(stats);
    this.#framesRead = stats.framesRead;
    this.#framesDropped = stats.framesDropped;
    const branch = this.#video.get(stats.codec);
    // What was on its way when the encoder was stopped is old.
    if (branch?.encoding.running === true) this.#onEncoder(stats.codec, branch, stats.encoder);
    if (stats.codec === this.#firstEncoding()) this.#listener.onVideoStats(stats);
  }

  #tellOf(frame: EncodedFrame, branch: VideoBranch): void {
    const { streamId, parts } = this.#parameters;
    const { codec, keyframe, bytes, rtpTimestamp, captureTimeUs, readTimeUs, encodedTimeUs, repeated } =
      frame;
    parts.observe('frame', {
      ...{ streamId, codec, keyframe, bytes: bytes.byteLength, rtpTimestamp },
      ...{ captureTimeUs, readTimeUs, encodedTimeUs, repeated },
    });
    if (!keyframe) return;
    branch.begun = true;
    for (const onFirstFrame of branch.newcomers) onFirstFrame();
    branch.newcomers.clear();
  }

  /** A newcomer gets at once what the plane has kept; too long a group, for which it would wait, is rare. */
  #replays(branch: VideoBranch): boolean {
    const { parts, replayOnJoin } = this.#parameters;
    return replayOnJoin && parts.mediaPlane.name === 'native' && branch.begun;
  }

  #requestKeyframe(codec: VideoCodec): void {
    const { streamId, parts } = this.#parameters;
    parts.observe('keyframe:request', { streamId, codec });
    this.#videoThread.requestKeyframe(codec);
  }

  #onEncoderReplaced({ codec, failed, next, reason }: EncoderReplacement): void {
    const { streamId, parts, logger } = this.#parameters;
    logger.warn({ codec, failed, next, reason }, 'an encoder failed: another one goes on');
    parts.observe('encoder:replace', { streamId, codec, failed, next });
  }

  /** @param encoder - the one that runs now. */
  #onEncoder(codec: VideoCodec, branch: VideoBranch, encoder: string | undefined): void {
    const { encoder: previous } = branch;
    if (encoder === previous) return;
    branch.encoder = encoder;
    const { streamId, parts } = this.#parameters;
    if (previous !== undefined) parts.observe('encoder:stop', { streamId, codec, encoder: previous });
    if (encoder !== undefined) parts.observe('encoder:start', { streamId, codec, encoder });
  }

  #firstEncoding(): VideoCodec | undefined {
    for (const [codec, branch] of this.#video) if (branch.encoding.running) return codec;
    return undefined;
  }

  #afterCaptureWork(work: () => Promise<void>): void {
    this.#captureWork = this.#captureWork.then(async () => {
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
    if (!this.#closed) this.#listener.onMediaError(error);
  }
}
