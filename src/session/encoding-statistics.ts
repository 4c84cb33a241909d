import type { EncodingDiagnostics } from '../protocol/session-diagnostics.js';
import type { VideoEncoderStats } from '../render/encode/encode-thread.js';
import type { FrameRecord } from '../render/encode/frame-record.js';
import { rungOf, type VideoStream, videoStream } from '../protocol/video-stream.js';
import type { Rung } from '../fanout/rung-planner.js';
import type { FrameTiming } from '../render/encode/frame-timing.js';

interface Statistics {
  readonly timing: FrameTiming;
  encoded: number;
  stats: VideoEncoderStats | undefined;
}

/** Statistics of the encodings of one session, by stream; at most one entry for each stream there is. */
export class EncodingStatistics {
  readonly #createTiming: () => FrameTiming;
  readonly #byStream = new Map<VideoStream, Statistics>();

  constructor(createTiming: () => FrameTiming) {
    this.#createTiming = createTiming;
  }

  /** A frame was handed to the media plane. */
  sent(stream: VideoStream, frame: FrameRecord): void {
    const statistics = this.#of(stream);
    statistics.encoded += 1;
    statistics.timing.add(frame);
  }

  measured(stats: VideoEncoderStats): void {
    this.#of(videoStream(stats.codec, stats.rung)).stats = stats;
  }

  /**
   * @param source - the target of one that nobody limits.
   * @param running - what is encoded now, with its target; of the others the rates are 0.
   */
  read(source: Rung, nowUs: number, running: ReadonlyMap<VideoStream, Rung>): EncodingDiagnostics[] {
    return [...this.#byStream].flatMap(([stream, { timing, encoded, stats }]) => {
      if (stats === undefined) return [];
      const { codec, encoder, encoderReason, width, height, framesRead, framesDropped } = stats;
      const targets = running.get(stream) ?? source;
      const isRunning = running.has(stream);
      const latency = isRunning ? timing.read(nowUs) : undefined;
      const load = ((latency?.encode.meanMs ?? 0) * targets.frameRate) / 1000;
      return {
        ...{ codec, rung: rungOf(stream), encoder },
        ...(encoderReason === undefined ? {} : { encoderReason }),
        ...{ width, height },
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

  #of(stream: VideoStream): Statistics {
    const existing = this.#byStream.get(stream);
    if (existing !== undefined) return existing;
    const created: Statistics = { timing: this.#createTiming(), encoded: 0, stats: undefined };
    this.#byStream.set(stream, created);
    return created;
  }
}
