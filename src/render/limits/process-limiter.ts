import type { Clock, Timer } from '../../base/clock.js';
import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { setNiceness } from '../../base/process-niceness.js';
import { signalProcess } from '../../base/process-table.js';
import type { ResolvedSessionLimits } from '../../options/session-limit-options.js';
import type { ProcessMemory } from '../../base/process-memory.js';
import { procMemory } from '../../base/process-memory.js';
import type { LimitedSession, SessionLimiter } from './session-limiter.js';

const WATCH_INTERVAL_MS = 2_000;

interface Watched {
  readonly streamId: string;
  readonly pid: number;
  outOfMemory: boolean;
}

/**
 * Limits without cgroups. Resource limits (`setrlimit`) are no help: Chromium reserves terabytes of addresses, so
 * RLIMIT_AS stops it at once, and RLIMIT_NPROC counts all processes of the user. So memory is measured every 2 s.
 */
export class ProcessLimiter implements SessionLimiter {
  readonly #limits: ResolvedSessionLimits;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #memory: ProcessMemory;
  readonly #watched = new Set<Watched>();
  #timer: Timer | undefined;
  #looking = false;

  constructor(
    limits: ResolvedSessionLimits,
    clock: Clock,
    logger: Logger,
    memory: ProcessMemory = procMemory,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#logger = logger;
    this.#memory = memory;
  }

  limit(streamId: string, pid: number): LimitedSession {
    const { cpuWeight, memoryBytes } = this.#limits;
    if (cpuWeight !== undefined) this.#setNiceness(pid, nicenessOf(cpuWeight));
    const watched: Watched = { streamId, pid, outOfMemory: false };
    if (memoryBytes !== undefined) {
      this.#watched.add(watched);
      this.#timer ??= this.#clock.every(WATCH_INTERVAL_MS, () => void this.#look(memoryBytes));
    }
    return {
      get outOfMemory() {
        return watched.outOfMemory;
      },
      close: () => {
        this.#watched.delete(watched);
        if (this.#watched.size === 0) this.close();
        return Promise.resolve();
      },
    };
  }

  close(): void {
    this.#watched.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #setNiceness(pid: number, niceness: number): void {
    try {
      setNiceness(pid, niceness);
    } catch (thrown) {
      this.#logger.warn({ err: asError(thrown), niceness }, 'the niceness of a session could not be set');
    }
  }

  async #look(limitBytes: number): Promise<void> {
    // On a machine so busy that a look takes longer than the time between two, one is enough.
    if (this.#looking) return;
    this.#looking = true;
    try {
      const usage = await this.#memory(
        [...this.#watched].map(({ pid }) => pid),
        limitBytes,
      );
      for (const watched of this.#watched) {
        const usedBytes = usage.get(watched.pid) ?? 0;
        if (usedBytes <= limitBytes || watched.outOfMemory) continue;
        const { streamId, pid } = watched;
        this.#logger.warn({ streamId, usedBytes, limitBytes }, 'the session needs more memory than it may');
        watched.outOfMemory = true;
        signalProcess(pid, 'SIGKILL');
      }
    } finally {
      this.#looking = false;
    }
  }
}

/** Each step of niceness is worth a factor of 1.25 (sched(7)). Below 0 it needs a privilege. */
export function nicenessOf(cpuWeight: number): number {
  const niceness = Math.round(Math.log(100 / cpuWeight) / Math.log(1.25));
  return Math.max(-20, Math.min(19, niceness));
}
