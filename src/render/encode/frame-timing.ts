import type { FrameStages } from '../../protocol/session-diagnostics.js';
import type { FrameRecord } from './frame-record.js';

/** Pictures that are looked at: about a second of them, whatever the frame rate. Older ones are overwritten. */
const KEPT_FRAMES = 64;
/** Records come once per second, so that the newest may be a second old. */
const WINDOW_US = 2_200_000;
const VALUES = 4;

/** How long the newest pictures of one encoding took from stage to stage. */
export class FrameTiming {
  /** For each picture: when it was sent, µs, and the length of each stage, µs. */
  readonly #values = new Float64Array(KEPT_FRAMES * VALUES);
  #count = 0;

  add({ captureTimeUs, readTimeUs, encodedTimeUs, sentTimeUs, repeated }: FrameRecord): void {
    // One that was encoded again was not captured for it, and the time that it bears is made up.
    if (repeated) return;
    const stages = [readTimeUs - captureTimeUs, encodedTimeUs - readTimeUs, sentTimeUs - encodedTimeUs];
    this.#values.set([sentTimeUs, ...stages], (this.#count % KEPT_FRAMES) * VALUES);
    this.#count += 1;
  }

  /** Undefined where no picture came lately. */
  read(nowUs: number): FrameStages | undefined {
    const sums = [0, 0, 0];
    const longest = [0, 0, 0];
    let frames = 0;
    for (let at = 0; at < Math.min(this.#count, KEPT_FRAMES) * VALUES; at += VALUES) {
      const [sentTimeUs = 0, ...stages] = this.#values.subarray(at, at + VALUES);
      if (sentTimeUs < nowUs - WINDOW_US) continue;
      frames += 1;
      for (const [stage, us] of stages.entries()) {
        sums[stage] = (sums[stage] ?? 0) + us;
        longest[stage] = Math.max(longest[stage] ?? 0, us);
      }
    }
    if (frames === 0) return undefined;
    const [capture, encode, send] = sums.map((sum, stage) => ({
      meanMs: roundMs(sum / frames),
      maxMs: roundMs(longest[stage] ?? 0),
    }));
    return capture && encode && send && { capture, encode, send };
  }
}

/** To the hundredth. */
function roundMs(us: number): number {
  return Math.round(us / 10) / 100;
}
