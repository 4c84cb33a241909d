import type { EncodingDiagnostics } from '../protocol/session-diagnostics.js';
import type { CaptureFormat } from '../render/capture/capture.js';
import type { EncoderReplacement, VideoEncoderStats } from '../render/encode/encode-thread.js';
import type { EncodedAudio, EncodedFrame, VideoCodec } from '../render/encode/encoded-frame.js';
import { AUTO_CODECS } from '../protocol/video-codecs.js';
import type { FrameRecord } from '../render/encode/frame-record.js';
import { codecOf, type RenderStream, rungOf, type VideoStream } from '../protocol/video-stream.js';
import type { Render } from '../render/render.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Producer } from '../fanout/media-plane.js';
import type { Rung } from '../fanout/rung-planner.js';
import type { Logger } from '../base/logger.js';
import type { ConnectedMedia } from '../peer/viewer-peer.js';
import type { PacketSink, PacketSource } from '../recording/packet-source.js';
import { CodecLadder, type RungState } from './codec-ladder.js';
import type { EncodingStep } from './encoding-step.js';
import { EncodingStatistics } from './encoding-statistics.js';
import { FrameTaps } from './frame-taps.js';
import { OnDemand } from './on-demand.js';
import { viewerCounters } from './session-counters.js';
import { openMediaShare, type MediaShare } from './media-share.js';
import { layersFor } from './simulcast-layers.js';
import type { AudioPayloader, SessionParts } from './session-parts.js';
import { NO_LIMITS, type ViewerLimits, type ViewerWishes } from './viewer-limits.js';

export interface SessionMediaListener {
  /** About once per second: the best encoding of the first codec that is being encoded, and all of that codec's. */
  onVideoStats(stats: VideoEncoderStats, rungs: readonly RungState[]): void;
  /** No codec is being encoded any more. */
  onVideoIdle(): void;
  /** Nothing more will come. */
  onMediaError(error: StreamKitError): void;
}

export interface SessionMediaParameters {
  readonly render: Render;
  /** What is captured at first. */
  readonly format: CaptureFormat;
  readonly bitrateBps: number;
  readonly pauseGraceMs: number;
  /** See the option. */
  readonly maxRungs: number;
  /** A viewer that joins gets the pictures since the last keyframe. */
  readonly replayOnJoin: boolean;
  readonly parts: SessionParts;
  readonly streamId: string;
  readonly logger: Logger;
}

interface AudioBranch {
  readonly producer: Producer;
  readonly payloader: AudioPayloader;
  readonly encoding: OnDemand;
}

const NOTHING_READ = { framesRead: 0, framesDropped: 0 };

/**
 * From a render to the producers of its session: a ladder of encodings per codec for all viewers, each running from its first
 * viewer until a grace time after its last, and the capture with them.
 */
export class SessionMedia {
  readonly #parameters: SessionMediaParameters;
  readonly #listener: SessionMediaListener;
  readonly #render: Render;
  readonly #video = new Map<VideoCodec, CodecLadder>();
  readonly #audio: AudioBranch | null;
  readonly #capturing: OnDemand;
  readonly #taps: FrameTaps;
  #bitrateBps: number;
  #format: CaptureFormat;
  #closed = false;
  /** Since the session began. */
  #framesRead = 0;
  #framesDropped = 0;
  /** What the session process counted last. */
  #reported: Pick<VideoEncoderStats, 'framesRead' | 'framesDropped'> = NOTHING_READ;
  readonly #encodings: EncodingStatistics;
  readonly #closeCounters: () => void;

  constructor(parameters: SessionMediaParameters, listener: SessionMediaListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    this.#bitrateBps = parameters.bitrateBps;
    this.#format = parameters.format;
    const { render, parts, pauseGraceMs } = parameters;
    this.#render = render;
    this.#encodings = new EncodingStatistics(parts.createFrameTiming);
    this.#taps = new FrameTaps((stream, tapped) => render.tap(stream, tapped));
    this.#audio = this.#openAudio();
    this.#closeCounters = parts.counters.pictures.open(() => ({
      framesRead: this.#framesRead,
      framesDropped: this.#framesDropped,
    }));
    this.#capturing = new OnDemand({
      clock: parts.clock,
      graceMs: pauseGraceMs,
      running: true,
      start: () => void render.resume(),
      stop: () => void render.pause(),
    });
  }

  get hasAudio(): boolean {
    return this.#audio !== null;
  }

  /** What each encoding does that was ever started. */
  encodings(): EncodingDiagnostics[] {
    const running = new Map<VideoStream, Rung>();
    for (const ladder of this.#video.values()) {
      for (const { stream, encoding, target } of ladder.steps)
        if (encoding.running) running.set(stream, target);
    }
    return this.#encodings.read(this.#source(), this.#parameters.parts.clock.nowUs(), running);
  }

  /**
   * Begins to send to a viewer whose peer is connected.
   *
   * @param limits - what it gets at most.
   * @param onFirstFrame - the first picture that it can decode is on its way; at most once.
   */
  attach(
    media: ConnectedMedia,
    limits: ViewerLimits = NO_LIMITS,
    onFirstFrame: () => void = () => undefined,
  ): MediaShare {
    const { parts } = this.#parameters;
    const audio = media.audio === null ? null : this.#audio;
    const ladder = this.#ladder(media.videoCodec);
    const [first, ...others] = ladder.attach(media, limits, onFirstFrame);
    const audioConsumer =
      audio === null || media.audio === null
        ? undefined
        : media.transport.consume(audio.producer, media.audio);
    const closeCounters = [
      parts.counters.viewers.open(() =>
        viewerCounters(first.consumer.stats, audioConsumer?.stats, media.transport.rtcpDropped),
      ),
      ...others.map(({ consumer }) =>
        parts.counters.viewers.open(() => viewerCounters(consumer.stats, undefined, 0)),
      ),
    ];
    const shares = [first, ...others] as const;
    return openMediaShare({
      videoCodec: media.videoCodec,
      video: shares,
      audio: audioConsumer,
      // The capture first: what the encoder starts from should be as fresh as it can be.
      needs: [
        this.#capturing,
        ...shares.map(({ need }) => need),
        ...(audio === null ? [] : [audio.encoding]),
      ],
      onClosed: () => {
        for (const close of closeCounters) close();
        first.close();
      },
    });
  }

  /** Names of the layers in which the pictures can be sent at once, the best first; undefined: there is only one. */
  layersOf({ maxHeight = Infinity }: ViewerWishes): readonly [string, string, ...string[]] | undefined {
    return layersFor(Math.min(this.#format.height, maxHeight), this.#parameters.maxRungs);
  }

  /** Goes on in another size or rate: capture first, then what encodes it. Resolves when both know. */
  async reconfigure(format: CaptureFormat, bitrateBps: number): Promise<void> {
    const { width, height, frameRate } = this.#format;
    // What captures knows nothing of bit rates.
    const isSame = width === format.width && height === format.height && frameRate === format.frameRate;
    if (!isSame) await this.#render.reconfigure(format);
    this.#format = format;
    this.#bitrateBps = bitrateBps;
    for (const ladder of this.#video.values()) ladder.update();
  }

  /** What is captured, and the rate of an encoding that nobody limits. */
  #source(): Rung {
    const { width, height, frameRate } = this.#format;
    return { width, height, frameRate, bitrateBps: this.#bitrateBps };
  }

  /** Somebody records. */
  get tapped(): boolean {
    return this.#taps.hasSinks;
  }

  /** The first of `codecs` that is being encoded, or else the first. */
  runningOrFirst(codecs: readonly VideoCodec[]): VideoCodec {
    const running = codecs.find((candidate) => this.#video.get(candidate)?.first.encoding.running === true);
    return running ?? codecs[0] ?? AUTO_CODECS[0];
  }

  /** Begins to hand out what is encoded to one of `codecs`, as {@link runningOrFirst} has it. */
  tap(codecs: readonly VideoCodec[], sink: PacketSink): PacketSource {
    const codec = this.runningOrFirst(codecs);
    const ladder = this.#ladder(codec);
    const { encoding } = ladder.first;
    const needs = [this.#capturing, encoding, ...(this.#audio === null ? [] : [this.#audio.encoding])];
    const streams: readonly RenderStream[] = this.hasAudio ? [codec, 'opus'] : [codec];
    const closeTap = this.#taps.add(streams, sink);
    const source: PacketSource = {
      codec,
      hasAudio: this.hasAudio,
      requestKeyframe: () => ladder.first.requestKeyframe(),
      refresh: () => this.#render.refresh(),
      setLinkEstimates: (bitratesBps) => {
        if (!this.#closed) ladder.setSource(source, bitratesBps);
      },
      close: () => {
        if (!closeTap() || this.#closed) return;
        ladder.removeSource(source);
        for (const need of needs) need.release();
      },
    };
    const wasRunning = encoding.running;
    ladder.setSource(source, [undefined]);
    for (const need of needs) need.hold();
    // One that has just been started begins with a keyframe.
    if (wasRunning) source.requestKeyframe();
    return source;
  }

  /** Closes producers; the render is its owner's. Resolves when recorders have what they took. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#capturing.close();
    this.#audio?.encoding.close();
    for (const ladder of this.#video.values()) ladder.close();
    this.#audio?.producer.close();
    this.#closeCounters();
    await this.#taps.end();
  }

  #ladder(codec: VideoCodec): CodecLadder {
    const existing = this.#video.get(codec);
    if (existing !== undefined) return existing;
    const { parts, pauseGraceMs, replayOnJoin, maxRungs, render, streamId } = this.#parameters;
    const ladder = new CodecLadder(
      { codec, parts, pauseGraceMs, replayOnJoin, maxRungs, render, source: () => this.#source() },
      {
        onEncoder: (step, encoder, previous) => this.#onEncoder(step, encoder, previous),
        onStopped: () => {
          if (this.#firstEncoding() === undefined) this.#listener.onVideoIdle();
        },
        onFramesWanted: (stream) => this.#taps.hold(stream),
        onKeyframeRequest: () => parts.observe('keyframe:request', { streamId, codec }),
      },
    );
    this.#video.set(codec, ladder);
    return ladder;
  }

  #openAudio(): AudioBranch | null {
    const { parts, pauseGraceMs } = this.#parameters;
    const render = this.#render;
    if (!render.hasAudio) return null;
    const producer = parts.mediaPlane.createProducer(
      { kind: 'audio', clockRateHz: 48_000 },
      { onKeyframeWanted: () => undefined, onFramesWanted: () => this.#taps.hold('opus') },
    );
    this.#feed('opus', producer);
    return {
      payloader: parts.createAudioPayloader(),
      producer,
      encoding: new OnDemand({
        clock: parts.clock,
        graceMs: pauseGraceMs,
        running: false,
        start: () => render.startAudio(),
        stop: () => render.stopAudio(),
      }),
    };
  }

  /** The producer's frames come by the media socket, or else through JavaScript. */
  #feed(stream: RenderStream, producer: Producer): void {
    this.#render.feed(stream, producer);
    if (producer.needsFrames) this.#taps.hold(stream);
  }

  /** A frame of a stream that is tapped. */
  onEncodedFrame(frame: EncodedFrame): void {
    const step = this.#video.get(frame.codec)?.stepAt(frame.rung);
    if (step === undefined || this.#closed) return;
    this.#send(() => step.send(frame));
    this.#taps.onEncodedFrame(frame);
  }

  /** A packet of sound, while that is tapped. */
  onEncodedAudio(packet: EncodedAudio): void {
    const branch = this.#audio;
    if (branch === null || this.#closed) return;
    if (branch.producer.needsFrames) this.#send(() => branch.producer.send(branch.payloader.payload(packet)));
    this.#taps.onEncodedAudio(packet);
  }

  /** The media plane was handed these. */
  onFrames(stream: VideoStream, frames: readonly FrameRecord[]): void {
    if (this.#closed) return;
    const { streamId, parts } = this.#parameters;
    const codec = codecOf(stream);
    for (const frame of frames) {
      this.#encodings.sent(stream, frame);
      parts.observe('frame', { streamId, codec, ...frame });
    }
  }

  /** The media plane was handed a keyframe: whoever waited for one can decode it. */
  onKeyframe(stream: VideoStream): void {
    if (!this.#closed) this.#video.get(codecOf(stream))?.onKeyframe(rungOf(stream));
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

  /** About once per second for each stream that is encoded. */
  onVideoStats(reported: VideoEncoderStats): void {
    if (this.#closed) return;
    this.#framesRead += reported.framesRead - this.#reported.framesRead;
    this.#framesDropped += reported.framesDropped - this.#reported.framesDropped;
    this.#reported = reported;
    const stats = { ...reported, framesRead: this.#framesRead, framesDropped: this.#framesDropped };
    this.#encodings.measured(stats);
    const step = this.#video.get(stats.codec)?.stepAt(stats.rung);
    // What was on its way when the encoder was stopped is old.
    if (step?.encoding.running === true) step.onEncoder(stats.encoder);
    const first = this.#firstEncoding();
    if (first === undefined || step === undefined) return;
    const { rungs } = first;
    const isBest = first.steps.includes(step) && step.target.bitrateBps === rungs[0]?.bitrateBps;
    if (isBest) this.#listener.onVideoStats(stats, rungs);
  }

  /** The render begins anew, and counts from 0. */
  onRestarting(): void {
    this.#reported = NOTHING_READ;
  }

  /** Another encoder goes on. */
  onEncoderReplaced({ codec, failed, next, reason }: EncoderReplacement): void {
    const { streamId, parts, logger } = this.#parameters;
    logger.warn({ codec, failed, next, reason }, 'an encoder failed: another one goes on');
    parts.observe('encoder:replace', { streamId, codec, failed, next });
  }

  #onEncoder({ codec }: EncodingStep, encoder: string | undefined, previous: string | undefined): void {
    const { streamId, parts } = this.#parameters;
    if (previous !== undefined) parts.observe('encoder:stop', { streamId, codec, encoder: previous });
    if (encoder !== undefined) parts.observe('encoder:start', { streamId, codec, encoder });
  }

  #firstEncoding(): CodecLadder | undefined {
    return [...this.#video.values()].find(({ isRunning }) => isRunning);
  }

  #fail(error: StreamKitError): void {
    if (!this.#closed) this.#listener.onMediaError(error);
  }
}
