import type { Clock, Timer } from '../base/clock.js';
import type { ReadProcessCpuTimes } from '../base/process-cpu-time.js';

/** How often all trees are looked at together, ms. */
export const CPU_SAMPLE_INTERVAL_MS = 5_000;

/** The CPU time of one process with all that it starts. */
export interface MeteredProcess {
  /** As of the last look; undefined before the first one that found it. */
  readonly cpuSeconds: number | undefined;
  /** Looks once more. Never rejects. */
  sample(): Promise<void>;
  /** What was measured stays. Idempotent. */
  close(): void;
}

interface Entry {
  readonly pid: number;
  seconds: number | undefined;
}

/** Measures the CPU time of the sessions of one router: one look at the process table serves all of them. */
export class CpuMeter {
  readonly #clock: Clock;
  readonly #read: ReadProcessCpuTimes;
  readonly #entries = new Set<Entry>();
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;

  constructor(clock: Clock, read: ReadProcessCpuTimes) {
    this.#clock = clock;
    this.#read = read;
  }

  open(pid: number): MeteredProcess {
    const entry: Entry = { pid, seconds: undefined };
    this.#entries.add(entry);
    this.#timer ??= this.#clock.every(CPU_SAMPLE_INTERVAL_MS, () => void this.#sample());
    return {
      get cpuSeconds() {
        return entry.seconds;
      },
      sample: () => this.#sample(),
      close: () => {
        this.#entries.delete(entry);
        if (this.#entries.size > 0) return;
        this.#timer?.cancel();
        this.#timer = undefined;
      },
    };
  }

  /** All that ask while a look is under way get that one. */
  #sample(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const entries = [...this.#entries];
    const times = await this.#read(entries.map(({ pid }) => pid)).catch(() => new Map<number, number>());
    for (const entry of entries) {
      const seconds = times.get(entry.pid);
      // A tree that is ending loses what was not waited for.
      if (seconds !== undefined) entry.seconds = Math.max(entry.seconds ?? 0, seconds);
    }
  }
}
