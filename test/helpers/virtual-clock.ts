import type { Clock, Timer } from '../../src/base/clock.js';

interface PendingTimer {
  dueUs: number;
  readonly intervalUs: number | undefined;
  readonly callback: () => void;
}

/** Lets everything that is ready to run do so: promise reactions and immediates. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** A clock that stands still until it is advanced. Timers run in the order in which they are due. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<PendingTimer>();
  #nowUs = 1_000_000;

  /** Timers that are pending: zero at the end of a test that closed everything. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  nowUs(): number {
    return this.#nowUs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowUs / 1000;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#add({ dueUs: this.#nowUs + delayMs * 1000, intervalUs: undefined, callback });
  }

  every(intervalMs: number, callback: () => void): Timer {
    const intervalUs = intervalMs * 1000;
    return this.#add({ dueUs: this.#nowUs + intervalUs, intervalUs, callback });
  }

  /** Runs everything that is due within `ms`, and what follows from it, then stands still again. */
  async advance(ms: number): Promise<void> {
    const endUs = this.#nowUs + ms * 1000;
    await settle();
    for (let timer = this.#next(endUs); timer !== undefined; timer = this.#next(endUs)) {
      this.#nowUs = Math.max(this.#nowUs, timer.dueUs);
      if (timer.intervalUs === undefined) this.#timers.delete(timer);
      else timer.dueUs += timer.intervalUs;
      timer.callback();
      await settle();
    }
    this.#nowUs = endUs;
  }

  #add(timer: PendingTimer): Timer {
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  #next(endUs: number): PendingTimer | undefined {
    let next: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueUs <= endUs && (next === undefined || timer.dueUs < next.dueUs)) next = timer;
    }
    return next;
  }
}
