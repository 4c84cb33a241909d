import { beforeEach, describe, expect, it } from 'vitest';

import { FrameLatency } from '../../../../src/render/capture/frame-latency.js';

const START_MS = 1_796_000_000_000;

/** A page of 60 pictures per second whose pictures come so late. */
class AnimatedPage {
  readonly latency = new FrameLatency();
  latencyMs = 37;
  /** How late they are once it was held back; may change from attempt to attempt. */
  readonly afterMs: number[] = [];
  picturesPerSecond = 60;
  holds = 0;
  #nowMs = 0;
  #gap: { startMs: number; endMs: number } | undefined;

  /** Looks once per second for so long. */
  run(seconds: number): void {
    for (let second = 0; second < seconds; second += 1) {
      this.#nowMs += 1000;
      const gap = this.#gap ?? this.#gapOf(1000 / this.picturesPerSecond);
      this.#gap = undefined;
      if (this.latency.look(this.#nowMs, this.picturesPerSecond, gap)) this.#hold();
    }
  }

  /** Pictures are late once. */
  stumble(latencyMs: number): void {
    this.latencyMs = latencyMs;
    this.#gap = this.#gapOf(34);
  }

  #gapOf(ms: number): { startMs: number; endMs: number } {
    return { startMs: START_MS + this.#nowMs, endMs: START_MS + this.#nowMs + ms };
  }

  #hold(): void {
    this.holds += 1;
    const heldAtMs = START_MS + this.#nowMs + 10;
    const resumedAtMs = heldAtMs + 66;
    const before = this.latencyMs;
    this.latencyMs = this.afterMs.shift() ?? 8;
    this.#gap = { startMs: heldAtMs + before, endMs: resumedAtMs + this.latencyMs };
    this.latency.held(this.#nowMs + 80, { heldAtMs, resumedAtMs });
  }
}

describe('FrameLatency', () => {
  let page: AnimatedPage;
  beforeEach(() => {
    page = new AnimatedPage();
  });

  it('holds frames back once at the start, and no more while pictures are even', () => {
    page.run(2);
    expect(page).toMatchObject({ holds: 1, latencyMs: 8 });
    page.run(600);
    expect(page.holds).toBe(1);
  });

  it('does so again once pictures were late, half a minute after the last time at the earliest', () => {
    page.run(5);
    page.stumble(22);
    page.run(20);
    expect(page.holds).toBe(1);
    page.run(10);
    expect(page).toMatchObject({ holds: 2, latencyMs: 8 });
  });

  it('tries three times where it does not help, and then takes it for how long it takes', () => {
    page.afterMs.push(38, 39, 37);
    page.run(20);
    expect(page.holds).toBe(3);
    page.run(600);
    expect(page.holds).toBe(3);
  });

  it('tries again where it has helped in part', () => {
    page.afterMs.push(24, 23, 8);
    page.run(20);
    expect(page).toMatchObject({ holds: 3, latencyMs: 8 });
  });

  it('waits longer each time while pictures are late without need of it', () => {
    page.latencyMs = 8;
    const times: number[] = [];
    for (let second = 0; second < 1800; second += 1) {
      const before = page.holds;
      page.stumble(8);
      page.run(1);
      if (page.holds > before) times.push(second);
    }
    const waits = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(waits[0]).toBeGreaterThanOrEqual(30);
    for (const [index, wait] of waits.entries())
      expect(wait).toBeGreaterThanOrEqual(Math.min(waits[index - 1] ?? 0, 300));
    expect(waits.at(-1)).toBeGreaterThanOrEqual(300);
    expect(page.holds).toBeLessThan(10);
  });

  it('leaves pages alone that paint seldom', () => {
    page.picturesPerSecond = 15;
    page.run(100);
    expect(page.holds).toBe(0);
  });

  it('waits where there was nothing to hold, or where pictures show nothing of it', () => {
    const { latency } = page;
    let asked = 0;
    for (let second = 1; second <= 600; second += 1) {
      const gap = { startMs: START_MS + second * 1000, endMs: START_MS + second * 1000 + 40 };
      if (!latency.look(second * 1000, 60, gap)) continue;
      asked += 1;
      const anHourAgo = { heldAtMs: START_MS - 3_600_000, resumedAtMs: START_MS - 3_599_900 };
      latency.held(second * 1000, asked % 2 === 0 ? anHourAgo : undefined);
    }
    expect(asked).toBeGreaterThan(2);
    expect(asked).toBeLessThan(7);
  });

  it('asks for nothing more while frames are held back', () => {
    const { latency } = page;
    const gap = { startMs: START_MS, endMs: START_MS + 40 };
    expect(latency.look(1000, 60, gap)).toBe(true);
    for (let second = 2; second < 100; second += 1) expect(latency.look(second * 1000, 60, gap)).toBe(false);
  });
});
