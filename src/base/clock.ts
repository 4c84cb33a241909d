/** A pending timer of a {@link Clock}. */
export interface Timer {
  cancel(): void;
}

/**
 * Time as the rooms see it. It comes in from outside so that a test can run hours of a session's life on a
 * virtual clock in milliseconds.
 */
export interface Clock {
  /** Monotonic time in µs (CLOCK_MONOTONIC on Linux), the time base of every `captureTimeUs`. */
  nowUs(): number;
  /** Wall-clock time in ms since the Unix epoch. */
  wallMs(): number;
  /** Calls `callback` once after `delayMs`. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls `callback` every `intervalMs` until cancelled. */
  every(intervalMs: number, callback: () => void): Timer;
}

/** The machine's clock. Its timers keep the process alive: whoever starts one cancels it. */
export const systemClock: Clock = {
  nowUs: () => Number(process.hrtime.bigint() / 1000n),
  // Follows a clock that is set, and one that went on while the machine slept, which `performance` does not.
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  every(intervalMs, callback) {
    const handle = setInterval(callback, intervalMs);
    return { cancel: () => clearInterval(handle) };
  },
};

/** As {@link systemClock}, but its timers do not keep the process alive. */
export const backgroundClock: Clock = {
  ...systemClock,
  after(delayMs, callback) {
    const handle = setTimeout(callback, delayMs).unref();
    return { cancel: () => clearTimeout(handle) };
  },
  every(intervalMs, callback) {
    const handle = setInterval(callback, intervalMs).unref();
    return { cancel: () => clearInterval(handle) };
  },
};
