import type { VideoEncoderStats } from '../render/encode/encode-thread.js';
import type { VideoCodec } from '../render/encode/encoded-frame.js';
import type { FrameRecord } from '../render/encode/frame-record.js';
import type { FrameStages, FrameTiming } from '../render/encode/frame-timing.js';

/** What one encoding does, which all viewers of its codec share. */
export interface EncodingDiagnostics {
  readonly codec: VideoCodec;
  /** FFmpeg's name. */
  readonly encoder: string;
  readonly width: number;
  readonly height: number;
  readonly targetFrameRate: number;
  readonly targetBitrateBps: number;
  /** Measured over about the last second. */
  readonly frameRate: number;
  readonly bitrateBps: number;
  /**
   * Share of the frame interval that a picture takes from read to encoded; from 1 on the encoder does not keep up. Two
   * codecs are encoded one after the other, so that the second one's time has the first one's in it.
   */
  readonly load: number;
  /** Since the session began; captured and dropped are those of the source, which all codecs share. */
  readonly frames: { readonly captured: number; readonly encoded: number; readonly dropped: number };
  /** Absent while no picture comes. */
  readonly latency?: FrameStages;
}

/** What a session was asked for. */
export interface EncodingTargets {
  readonly frameRate: number;
  readonly bitrateBps: number;
}

interface Figures {
  readonly timing: FrameTiming;
  encoded: number;
  stats: VideoEncoderStats | undefined;
}

/** Figures of the encodings of one session, by codec; at most one entry for each codec there is. */
export class EncodingFigures {
  readonly #createTiming: () => FrameTiming;
  readonly #byCodec = new Map<VideoCodec, Figures>();

  constructor(createTiming: () => FrameTiming) {
    this.#createTiming = createTiming;
  }

  /** A frame was handed to the media plane. */
  sent(codec: VideoCodec, frame: FrameRecord): void {
    const figures = this.#of(codec);
    figures.encoded += 1;
    figures.timing.add(frame);
  }

  measured(stats: VideoEncoderStats): void {
    this.#of(stats.codec).stats = stats;
  }

  /** @param running - which of them are encoded now; of the others the rates are 0. */
  read(
    targets: EncodingTargets,
    nowUs: number,
    running: (codec: VideoCodec) => boolean,
  ): EncodingDiagnostics[] {
    return [...this.#byCodec.values()].flatMap(({ timing, encoded, stats }) => {
      if (stats === undefined) return [];
      const { codec, encoder, width, height, framesRead, framesDropped } = stats;
      const isRunning = running(codec);
      const latency = isRunning ? timing.read(nowUs) : undefined;
      const load = ((latency?.encode.meanMs ?? 0) * targets.frameRate) / 1000;
      return {
        ...{ codec, encoder, width, height },
        targetFrameRate: targets.frameRate,
        targetBitrateBps: targets.bitrateBps,
        frameRate: isRunning ? stats.frameRate : 0,
        bitrateBps: isRunning ? stats.bitrateBps : 0,
        load: Math.round(load * 1000) / 1000,
        frames: { captured: framesRead, encoded, dropped: framesDropped },
        ...(latency === undefined ? {} : { latency }),
      };
    });
  }

  #of(codec: VideoCodec): Figures {
    const existing = this.#byCodec.get(codec);
    if (existing !== undefined) return existing;
    const created: Figures = { timing: this.#createTiming(), encoded: 0, stats: undefined };
    this.#byCodec.set(codec, created);
    return created;
  }
}
