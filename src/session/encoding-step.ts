import type { Producer } from '../fanout/media-plane.js';
import type { Rung } from '../fanout/rung-planner.js';
import type { EncodedFrame, VideoCodec } from '../render/encode/encoded-frame.js';
import {
  type EncodingTarget,
  type RungIndex,
  type VideoStream,
  videoStream,
} from '../protocol/video-stream.js';
import type { Render } from '../render/render.js';
import { OnDemand } from './on-demand.js';
import type { VideoPayloader } from '../render/packetize/video-payloader.js';
import type { SessionParts } from './session-parts.js';

export interface EncodingStepListener {
  /** FFmpeg's name of the encoder that runs now; undefined: none does. Only when it changes. */
  onEncoder(step: EncodingStep, encoder: string | undefined, previous: string | undefined): void;
  onStopped(): void;
  /** The producer's frames come through JavaScript from now on. */
  onFramesWanted(stream: VideoStream): void;
  onKeyframeRequest(codec: VideoCodec): void;
}

export interface EncodingStepParameters {
  readonly codec: VideoCodec;
  readonly rung: RungIndex;
  readonly render: Render;
  readonly parts: SessionParts;
  readonly replayOnJoin: boolean;
  /** How long it goes on after it was last needed, ms. */
  readonly graceMs: number;
  /** What it is encoded at first, and what is captured. */
  readonly target: Rung;
  readonly source: () => Rung;
}

/** One encoding of the captured picture and its producer; it runs while somebody needs it. */
export class EncodingStep {
  readonly codec: VideoCodec;
  readonly rung: RungIndex;
  readonly stream: VideoStream;
  readonly producer: Producer;
  readonly encoding: OnDemand;
  readonly #payloader: VideoPayloader;
  readonly #parameters: EncodingStepParameters;
  readonly #listener: EncodingStepListener;
  #target: Rung;
  #ordered: EncodingTarget | undefined;
  #encoder: string | undefined;
  /** Pictures that newcomers can be given first are with the producer. */
  #begun = false;

  constructor(parameters: EncodingStepParameters, listener: EncodingStepListener) {
    const { codec, rung, render, parts, graceMs, replayOnJoin, target } = parameters;
    this.#parameters = parameters;
    this.#listener = listener;
    this.codec = codec;
    this.rung = rung;
    this.stream = videoStream(codec, rung);
    this.#target = target;
    this.#payloader = parts.createVideoPayloader(codec);
    this.encoding = new OnDemand({
      clock: parts.clock,
      graceMs,
      running: false,
      start: () => {
        this.#ordered = this.#order();
        render.startVideo(this.stream, this.#ordered);
      },
      stop: () => {
        render.stopVideo(this.stream);
        this.#begun = false;
        this.onEncoder(undefined);
        listener.onStopped();
      },
    });
    this.producer = parts.mediaPlane.createProducer(
      { kind: 'video', clockRateHz: 90_000, gopReplay: replayOnJoin, targetBitrateBps: target.bitrateBps },
      {
        // An encoder that is about to start begins with one anyway.
        onKeyframeWanted: () => {
          if (this.encoding.running) this.requestKeyframe();
        },
        onFramesWanted: () => listener.onFramesWanted(this.stream),
      },
    );
    render.feed(this.stream, this.producer);
    if (this.producer.needsFrames) listener.onFramesWanted(this.stream);
  }

  /** What it is encoded at, or would be. */
  get target(): Rung {
    return this.#target;
  }

  /** FFmpeg's name of what encodes it, as soon as that is known. */
  get encoder(): string | undefined {
    return this.#encoder;
  }

  /** A newcomer gets at once what the plane has kept; too long a group, for which it would wait, is rare. */
  get replays(): boolean {
    const { parts, replayOnJoin } = this.#parameters;
    return replayOnJoin && parts.mediaPlane.name === 'native' && this.#begun;
  }

  /** Also to be called when what is captured has changed. */
  setTarget(target: Rung): void {
    if (target.bitrateBps !== this.#target.bitrateBps) this.producer.setTargetBitrate(target.bitrateBps);
    this.#target = target;
    if (!this.encoding.running) return;
    const order = this.#order();
    if (isSame(order, this.#ordered)) return;
    this.#ordered = order;
    this.#parameters.render.setTarget(this.stream, order);
  }

  requestKeyframe(): void {
    this.#listener.onKeyframeRequest(this.codec);
    this.#parameters.render.requestKeyframe(this.stream);
  }

  onKeyframe(): void {
    this.#begun = true;
  }

  /** A frame of it that came through JavaScript. @throws Error if it cannot be split. */
  send(frame: EncodedFrame): void {
    if (this.producer.needsFrames) this.producer.send(this.#payloader.payload(frame));
  }

  /** @param encoder - the one that runs now. */
  onEncoder(encoder: string | undefined): void {
    const previous = this.#encoder;
    if (encoder === previous) return;
    this.#encoder = encoder;
    this.#listener.onEncoder(this, encoder, previous);
  }

  /** Idempotent. */
  close(): void {
    this.encoding.close();
    this.producer.close();
    this.onEncoder(undefined);
  }

  /** What is as it is captured is not named: it goes along when that changes. */
  #order(): EncodingTarget {
    const { width, height, frameRate, bitrateBps } = this.#target;
    const source = this.#parameters.source();
    return {
      bitrateBps,
      ...(height < source.height || width < source.width ? { width, height } : {}),
      ...(frameRate < source.frameRate ? { frameRate } : {}),
    };
  }
}

function isSame(left: EncodingTarget, right: EncodingTarget | undefined): boolean {
  return (
    left.bitrateBps === right?.bitrateBps &&
    left.width === right.width &&
    left.height === right.height &&
    left.frameRate === right.frameRate
  );
}
