import type { Clock, Timer } from '../../../src/base/clock.js';

/** A clock that a test turns by hand. */
export class ManualClock implements Clock {
  private us: number;
  private readonly timers = new Set<{ atUs: number; callback: () => void }>();

  /** @param startUs - monotonic µs at the start; the wall clock is `wallOffsetMs` ahead of it. */
  constructor(
    startUs = 0,
    private readonly wallOffsetMs = 0,
  ) {
    this.us = startUs;
  }

  get pendingTimers(): number {
    return this.timers.size;
  }

  nowUs(): number {
    return this.us;
  }

  wallMs(): number {
    return this.us / 1000 + this.wallOffsetMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { atUs: this.us + delayMs * 1000, callback };
    this.timers.add(timer);
    return { cancel: () => this.timers.delete(timer) };
  }

  every(intervalMs: number, callback: () => void): Timer {
    let current: Timer;
    const again = (): void => {
      current = this.after(intervalMs, again);
      callback();
    };
    current = this.after(intervalMs, again);
    return { cancel: () => current.cancel() };
  }

  advance(ms: number): void {
    const endUs = this.us + ms * 1000;
    for (;;) {
      const due = [...this.timers].filter(({ atUs }) => atUs <= endUs).sort((a, b) => a.atUs - b.atUs)[0];
      if (due === undefined) {
        break;
      }
      this.timers.delete(due);
      this.us = due.atUs;
      due.callback();
    }
    this.us = endUs;
  }
}
