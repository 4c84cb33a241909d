import type { FrameHold } from './frame-hold.js';

/** The longest time between two pictures: when the one before and the one after it came, wall-clock ms. */
export interface PictureGap {
  readonly startMs: number;
  readonly endMs: number;
}

/** A page that paints less than this per second has nothing under way when it paints. */
const ANIMATED_PER_S = 20;
/** So much longer than usual is a gap after which pictures may be later than before. */
const LONG_GAP = 1.4;
const REFRESH_MS = 1000 / 60;
/** Between pictures that come at once and those that come a refresh later. */
const TOLERANCE_MS = REFRESH_MS / 2;
/** What is measured longer than this is something else. */
const LATENCY_MAX_MS = 200;
const ATTEMPTS = 3;
const RETRY_MS = 2_000;
const WAIT_MS = 30_000;
const WAIT_MAX_MS = 300_000;

/**
 * Decides when a page's animation frames are held back for a moment.
 *
 * Chromium paints, composites and captures as a pipeline. A page that paints with each refresh keeps it as full as it once became: after
 * one that was late, at the start at the latest, every picture is captured one or two refreshes later than need be, for as long as the
 * page is animated. Without a frame for a moment the pipeline runs empty, and pictures are captured at once again.
 *
 * The moment is also what the latency is measured by: it is seen in the frames that the page gets, and in the pictures that come.
 */
export class FrameLatency {
  /** Pictures may come later than need be. */
  #suspected = true;
  #attempts = 0;
  #waitMs = WAIT_MS;
  #nextMs = 0;
  #leastMs = Infinity;
  #isHeld = false;
  #hold: FrameHold | undefined;

  /**
   * To be called once per second.
   *
   * @param pictures - that have come since the last call. @param gap - the longest since the last call.
   * @returns whether frames are to be held back now; then {@link FrameLatency.held} is to be called.
   */
  look(atMs: number, pictures: number, gap: PictureGap | undefined): boolean {
    if (this.#isHeld) {
      if (this.#hold === undefined) return false;
      this.#learn(atMs, this.#hold, gap);
      this.#isHeld = false;
      this.#hold = undefined;
      return false;
    }
    if (pictures < ANIMATED_PER_S) return false;
    if (gap !== undefined && gap.endMs - gap.startMs > (LONG_GAP * 1000) / pictures) this.#suspected = true;
    if (!this.#suspected || atMs < this.#nextMs) return false;
    this.#suspected = false;
    this.#isHeld = true;
    return true;
  }

  /** @param hold - undefined: there was nothing to hold. */
  held(atMs: number, hold: FrameHold | undefined): void {
    this.#hold = hold;
    if (hold !== undefined) return;
    this.#isHeld = false;
    this.#wait(atMs);
  }

  #learn(atMs: number, { heldAtMs, resumedAtMs }: FrameHold, gap: PictureGap | undefined): void {
    const beforeMs = (gap?.startMs ?? Infinity) - heldAtMs;
    const afterMs = (gap?.endMs ?? Infinity) - resumedAtMs;
    if (gap === undefined || gap.startMs > resumedAtMs || afterMs < 0 || afterMs > LATENCY_MAX_MS) {
      this.#wait(atMs);
      return;
    }
    const isLeast = Number.isFinite(this.#leastMs) && afterMs < this.#leastMs + TOLERANCE_MS;
    const hasHelped = beforeMs > afterMs + TOLERANCE_MS;
    this.#leastMs = Math.min(this.#leastMs, afterMs);
    // What takes less than a refresh cannot have waited for one.
    if (afterMs < REFRESH_MS || (isLeast && hasHelped)) {
      this.#attempts = 0;
      if (hasHelped) this.#waitMs = WAIT_MS;
      this.#wait(atMs);
    } else if (++this.#attempts < ATTEMPTS) {
      this.#suspected = true;
      this.#nextMs = atMs + RETRY_MS;
    } else {
      // This is how long it takes now.
      this.#attempts = 0;
      this.#leastMs = afterMs;
      this.#wait(atMs);
    }
  }

  /** Longer each time, until it has helped. */
  #wait(atMs: number): void {
    this.#nextMs = atMs + this.#waitMs;
    this.#waitMs = Math.min(this.#waitMs * 2, WAIT_MAX_MS);
  }
}
