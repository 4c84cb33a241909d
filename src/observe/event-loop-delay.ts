import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';

const RESOLUTION_MS = 20;
const QUANTILES = [0.5, 0.9, 0.99, 1] as const;
const NS_PER_SECOND = 1e9;

/** How late the event loop is. Measured from the first reading on, each time since the one before. */
export class EventLoopDelay {
  #histogram: IntervalHistogram | undefined;
  #closed = false;

  /** Seconds by quantile; empty the first time. */
  read(): { readonly quantile: number; readonly seconds: number }[] {
    if (this.#closed) return [];
    const histogram = this.#histogram;
    if (histogram === undefined) {
      this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      this.#histogram.enable();
      return [];
    }
    if (histogram.count === 0) return [];
    const read = QUANTILES.map((quantile) => ({
      quantile,
      // What is recorded is the time between two ticks of a timer.
      seconds: Math.max(0, histogram.percentile(quantile * 100) / NS_PER_SECOND - RESOLUTION_MS / 1000),
    }));
    histogram.reset();
    return read;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#histogram?.disable();
    this.#histogram = undefined;
  }
}
