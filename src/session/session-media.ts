import type { CaptureFormat } from '../render/capture/capture.js';
import type { EncoderReplacement, VideoEncoderStats } from '../render/encode/encode-thread.js';
import type { EncodedAudio, EncodedFrame, VideoCodec } from '../render/encode/encoded-frame.js';
import type { FrameRecord } from '../render/encode/frame-record.js';
import type { RenderStream } from '../render/packetize/media-slots.js';
import type { Render } from '../render/render.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { MediaTransport, Producer } from '../fanout/media-plane.js';
import type { ViewerLink } from '../fanout/rung-planner.js';
import type { Logger } from '../base/logger.js';
import type { ConnectedMedia } from '../peer/viewer-peer.js';
import type { PacketSink, PacketSource } from '../recording/packet-source.js';
import { EncodingFigures, type EncodingDiagnostics, type EncodingTargets } from './encoding-figures.js';
import { FrameTaps } from './frame-taps.js';
import { RungFollower } from './rung-follower.js';
import { OnDemand } from './on-demand.js';
import { viewerFigures } from './session-figures.js';
import { openMediaShare, type MediaShare } from './media-share.js';
import type { AudioPayloader, SessionParts, VideoPayloader } from './session-parts.js';

export interface SessionMediaListener {
  /** About once per second: the first codec that is being encoded. */
  onVideoStats(stats: VideoEncoderStats): void;
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
  readonly follower: RungFollower;
  /** What the links carry of those who get packets from a source, bits/s; of a recorder one that carries everything. */
  readonly estimates: Map<PacketSource, readonly (number | undefined)[]>;
  /** WebRTC viewers that get this encoding, by a number of their own. */
  readonly viewers: Map<number, MediaTransport>;
}

interface AudioBranch {
  readonly producer: Producer;
  readonly payloader: AudioPayloader;
  readonly encoding: OnDemand;
}

const NOTHING_READ = { framesRead: 0, framesDropped: 0 };

/**
 * From a render to the producers of its session: one encoding per codec for all viewers, each running from its first viewer
 * until a grace time after its last, and the capture with them.
 */
export class SessionMedia {
  readonly #parameters: SessionMediaParameters;
  readonly #listener: SessionMediaListener;
  readonly #render: Render;
  readonly #video = new Map<VideoCodec, VideoBranch>();
  readonly #audio: AudioBranch | null;
  readonly #capturing: OnDemand;
  readonly #taps: FrameTaps;
  #bitrateBps: number;
  #format: CaptureFormat;
  #closed = false;
  #viewersAttached = 0;
  /** Since the session began. */
  #framesRead = 0;
  #framesDropped = 0;
  /** What the session process counted last. */
  #reported: Pick<VideoEncoderStats, 'framesRead' | 'framesDropped'> = NOTHING_READ;
  readonly #encodings: EncodingFigures;
  readonly #closeFigures: () => void;

  constructor(parameters: SessionMediaParameters, listener: SessionMediaListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    this.#bitrateBps = parameters.bitrateBps;
    this.#format = parameters.format;
    const { render, parts, pauseGraceMs } = parameters;
    this.#render = render;
    this.#encodings = new EncodingFigures(parts.createFrameTiming);
    this.#taps = new FrameTaps((stream, tapped) => render.tap(stream, tapped));
    this.#audio = this.#openAudio();
    this.#closeFigures = parts.figures.pictures.open(() => ({
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
    const viewer = (this.#viewersAttached += 1);
    branch.viewers.set(viewer, media.transport);
    media.transport.onEstimate = () => branch.follower.update();
    branch.follower.update();
    return openMediaShare({
      videoCodec: media.videoCodec,
      video: videoConsumer,
      audio: audioConsumer,
      // The capture first: what the encoder starts from should be as fresh as it can be.
      needs: [this.#capturing, branch.encoding, ...(audio === null ? [] : [audio.encoding])],
      onClosed: () => {
        closeFigures();
        branch.newcomers.delete(onFirstFrame);
        branch.viewers.delete(viewer);
        media.transport.onEstimate = undefined;
        branch.follower.update();
      },
    });
  }

  /** Goes on in another size or rate: capture first, then what encodes it. Resolves when both know. */
  async reconfigure(format: CaptureFormat, bitrateBps: number): Promise<void> {
    const { width, height, frameRate } = this.#format;
    // Another bit rate costs no keyframe by itself.
    const isSame = width === format.width && height === format.height && frameRate === format.frameRate;
    if (!isSame) await this.#render.reconfigure(format);
    this.#format = format;
    this.#bitrateBps = bitrateBps;
    for (const { follower } of this.#video.values()) follower.update();
  }

  #setBitrate(codec: VideoCodec, { producer, encoding, follower }: VideoBranch): void {
    const { bitrateBps } = follower.rung;
    producer.setTargetBitrate(bitrateBps);
    if (encoding.running) this.#render.setBitrate(codec, bitrateBps);
  }

  /** Somebody records. */
  get tapped(): boolean {
    return this.#taps.hasSinks;
  }

  /** The first of `codecs` that is being encoded, or else the first. */
  runningOrFirst(codecs: readonly VideoCodec[]): VideoCodec {
    const running = codecs.find((candidate) => this.#video.get(candidate)?.encoding.running === true);
    return running ?? codecs[0] ?? 'h264';
  }

  /** Begins to hand out what is encoded to one of `codecs`, as {@link runningOrFirst} has it. */
  tap(codecs: readonly VideoCodec[], sink: PacketSink): PacketSource {
    const codec = this.runningOrFirst(codecs);
    const video = this.#videoBranch(codec);
    const needs = [this.#capturing, video.encoding, ...(this.#audio === null ? [] : [this.#audio.encoding])];
    const streams: readonly RenderStream[] = this.hasAudio ? [codec, 'opus'] : [codec];
    const closeTap = this.#taps.add(streams, sink);
    const source: PacketSource = {
      codec,
      hasAudio: this.hasAudio,
      requestKeyframe: () => this.#requestKeyframe(codec),
      refresh: () => this.#render.refresh(),
      setLinkEstimates: (bitratesBps) => {
        if (this.#closed) return;
        video.estimates.set(source, bitratesBps);
        video.follower.update();
      },
      close: () => {
        video.estimates.delete(source);
        if (!closeTap() || this.#closed) return;
        video.follower.update();
        for (const need of needs) need.release();
      },
    };
    video.estimates.set(source, [undefined]);
    video.follower.update();
    const wasRunning = video.encoding.running;
    for (const need of needs) need.hold();
    // One that has just been started begins with a keyframe.
    if (wasRunning) source.requestKeyframe();
    return source;
  }

  /** Closes producers; the render is its owner's. Resolves when recorders have what they took. */
  async close(): Promise<void> {
    this.#closed = true;
    const branches = [...this.#video.values(), ...(this.#audio === null ? [] : [this.#audio])];
    this.#capturing.close();
    for (const branch of branches) branch.encoding.close();
    for (const { follower } of this.#video.values()) follower.close();
    for (const branch of branches) branch.producer.close();
    for (const [codec, branch] of this.#video) this.#onEncoder(codec, branch, undefined);
    this.#closeFigures();
    await this.#taps.end();
  }

  #videoBranch(codec: VideoCodec): VideoBranch {
    const existing = this.#video.get(codec);
    if (existing !== undefined) return existing;
    const { parts, pauseGraceMs, replayOnJoin } = this.#parameters;
    const render = this.#render;
    const encoding = new OnDemand({
      clock: parts.clock,
      graceMs: pauseGraceMs,
      running: false,
      start: () => render.startVideo(codec, branch.follower.rung.bitrateBps),
      stop: () => {
        render.stopVideo(codec);
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
      viewers: new Map(),
      estimates: new Map(),
      follower: new RungFollower({
        clock: parts.clock,
        planRungs: parts.planRungs,
        source: () => ({ ...this.#format, bitrateBps: this.#bitrateBps }),
        links: () => linksOf(branch),
        apply: () => this.#setBitrate(codec, branch),
      }),
      producer: parts.mediaPlane.createProducer(
        { kind: 'video', clockRateHz: 90_000, gopReplay: replayOnJoin, targetBitrateBps: this.#bitrateBps },
        {
          onKeyframeWanted: () => {
            // An encoder that is about to start begins with one anyway.
            if (encoding.running) this.#requestKeyframe(codec);
          },
          onFramesWanted: () => this.#taps.hold(codec),
        },
      ),
    };
    this.#video.set(codec, branch);
    this.#feed(codec, branch.producer);
    return branch;
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
    const branch = this.#video.get(frame.codec);
    if (branch === undefined || this.#closed) return;
    if (branch.producer.needsFrames) this.#send(() => branch.producer.send(branch.payloader.payload(frame)));
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
  onFrames(codec: VideoCodec, frames: readonly FrameRecord[]): void {
    if (this.#closed) return;
    const { streamId, parts } = this.#parameters;
    for (const frame of frames) {
      this.#encodings.sent(codec, frame);
      parts.observe('frame', { streamId, codec, ...frame });
    }
  }

  /** The media plane was handed a keyframe: whoever waited for one can decode it. */
  onKeyframe(codec: VideoCodec): void {
    const branch = this.#video.get(codec);
    if (branch === undefined || this.#closed) return;
    branch.begun = true;
    for (const onFirstFrame of branch.newcomers) onFirstFrame();
    branch.newcomers.clear();
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

  /** About once per second for each codec that is encoded. */
  onVideoStats(reported: VideoEncoderStats): void {
    if (this.#closed) return;
    this.#framesRead += reported.framesRead - this.#reported.framesRead;
    this.#framesDropped += reported.framesDropped - this.#reported.framesDropped;
    this.#reported = reported;
    const stats = { ...reported, framesRead: this.#framesRead, framesDropped: this.#framesDropped };
    this.#encodings.measured(stats);
    const branch = this.#video.get(stats.codec);
    // What was on its way when the encoder was stopped is old.
    if (branch?.encoding.running === true) this.#onEncoder(stats.codec, branch, stats.encoder);
    if (stats.codec === this.#firstEncoding()) this.#listener.onVideoStats(stats);
  }

  /** The render begins anew, and counts from 0. */
  onRestarting(): void {
    this.#reported = NOTHING_READ;
  }

  /** A newcomer gets at once what the plane has kept; too long a group, for which it would wait, is rare. */
  #replays(branch: VideoBranch): boolean {
    const { parts, replayOnJoin } = this.#parameters;
    return replayOnJoin && parts.mediaPlane.name === 'native' && branch.begun;
  }

  #requestKeyframe(codec: VideoCodec): void {
    const { streamId, parts } = this.#parameters;
    parts.observe('keyframe:request', { streamId, codec });
    this.#render.requestKeyframe(codec);
  }

  /** Another encoder goes on. */
  onEncoderReplaced({ codec, failed, next, reason }: EncoderReplacement): void {
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

  #fail(error: StreamKitError): void {
    if (!this.#closed) this.#listener.onMediaError(error);
  }
}

/** A link without an estimate is taken for one that carries everything. */
function linksOf({ viewers, estimates }: VideoBranch): ViewerLink[] {
  const ofSources = [...estimates.values()].flatMap((bitratesBps, source) =>
    bitratesBps.map((estimateBps, index) => ({ id: `source ${source} ${index}`, estimateBps })),
  );
  const ofViewers = [...viewers].map(([number, { estimatedBitrateBps }]) => ({
    id: `viewer ${number}`,
    estimateBps: estimatedBitrateBps,
  }));
  return [...ofViewers, ...ofSources];
}
