import type { Clock, Timer } from '../base/clock.js';
import type { CpuTime, MachineLoad, MachineSize } from '../base/machine-load.js';
import { freeCores } from '../base/machine-load.js';

/**
 * What one session of 1280 x 720 at 30 frames/s takes while it is watched: browser, capture and encoder. Measured
 * without a GPU; `npm run bench` prints the figures of a machine as "cost of a render".
 */
export const SESSION_COST: MachineSize = { cores: 0.8, memoryBytes: 512 * 2 ** 20 };

/** What comes free when a browser that waits for its session is ended, at least. */
const SPARE_BYTES = 128 * 2 ** 20;

/** With `auto`, terminals are not counted with the pages, since a terminal costs next to nothing; this bounds them. */
export const MAX_TERMINALS_WITH_AUTO = 64;

/** `maxSessions: 'auto'`: as many sessions of {@link SESSION_COST} as the machine can carry, 1–1000. */
export function sessionsOf({ cores, memoryBytes }: MachineSize): number {
  const carried = Math.min(cores / SESSION_COST.cores, memoryBytes / SESSION_COST.memoryBytes);
  return Math.min(1000, Math.max(1, Math.floor(carried)));
}

/** What one more session would compete for. */
export type Shortage = 'memory' | 'CPU';

/** What is free, and how many sessions started so recently that it does not show yet what they take. */
export interface AdmissionFigures {
  /** Sessions that run. */
  readonly running: number;
  readonly memory: { readonly availableBytes: number; readonly pending: number };
  /** Undefined: the CPU is not measured. */
  readonly cpu: { readonly freeCores: number; readonly pending: number } | undefined;
}

/**
 * Decides whether what is free now would carry one more session. The CPU never refuses the first one: there is no other
 * session yet that it could slow down.
 *
 * @returns undefined when it would.
 */
export function shortageFor({ running, memory, cpu }: AdmissionFigures): Shortage | undefined {
  if (memory.availableBytes < (memory.pending + 1) * SESSION_COST.memoryBytes) return 'memory';
  if (cpu === undefined || running === 0) return undefined;
  return cpu.freeCores < (cpu.pending + 1) * SESSION_COST.cores ? 'CPU' : undefined;
}

export interface AdmissionParameters {
  /** A number replaces the derived one, and the check of the CPU with it; memory is checked always. */
  readonly maxSessions: number | 'auto';
  readonly machine: MachineLoad;
  /** Browsers that wait for a session, and give way to one. Default: there are none. */
  readonly spares?: (() => number) | undefined;
  readonly clock: Clock;
}

/** After this long a session takes what it goes on to take. Launching takes all cores for a moment. */
const SETTLING_US = 10_000_000;
const SAMPLE_INTERVAL_MS = 5_000;

interface CpuSample {
  readonly atUs: number;
  readonly time: CpuTime;
}

/** Whether this machine can take another page session, by a count and by what is measured. */
export class Admission {
  /** Most sessions at once; with `auto`, of pages alone. */
  readonly maxSessions: number;
  readonly isAuto: boolean;
  readonly #machine: MachineLoad;
  readonly #clock: Clock;
  readonly #spares: () => number;
  /** When each session that runs was started. */
  readonly #startedAtUs = new Map<object, number>();
  #isSpareLaunching = false;
  #sampling: Timer | undefined;
  #sample: CpuSample | undefined;
  /** Measured while no session was starting. */
  #free: { readonly cores: number; readonly atUs: number } | undefined;

  constructor({ maxSessions, machine, clock, spares = () => 0 }: AdmissionParameters) {
    this.#spares = spares;
    this.maxSessions = maxSessions === 'auto' ? sessionsOf(machine.size) : maxSessions;
    this.isAuto = maxSessions === 'auto';
    this.#machine = machine;
    this.#clock = clock;
  }

  /** What is too short for one more session now; undefined where nothing is. */
  get shortage(): Shortage | undefined {
    return this.#shortageOf(this.#machine.readAvailableBytes() + this.#spares() * SPARE_BYTES);
  }

  /** Whether so many more sessions would find their memory, and one of them its CPU, with the spares as they are. */
  carries(sessions: number): boolean {
    const others = (sessions - 1) * SESSION_COST.memoryBytes;
    return this.#shortageOf(this.#machine.readAvailableBytes() - others) === undefined;
  }

  /** As {@link carries}, of memory alone. */
  hasMemoryFor(sessions: number): boolean {
    const others = (sessions - 1) * SESSION_COST.memoryBytes;
    return this.#shortageOf(this.#machine.readAvailableBytes() - others) !== 'memory';
  }

  #shortageOf(availableBytes: number): Shortage | undefined {
    const nowUs = this.#clock.nowUs();
    const free = this.#free;
    const started = [...this.#startedAtUs.values()];
    return shortageFor({
      running: started.length,
      memory: {
        availableBytes,
        pending: started.filter((atUs) => nowUs - atUs < SETTLING_US).length,
      },
      cpu: free && { freeCores: free.cores, pending: started.filter((atUs) => atUs >= free.atUs).length },
    });
  }

  /** Page sessions that run. */
  get running(): number {
    return this.#startedAtUs.size;
  }

  /** A spare browser begins to be launched, or that is over. What it takes is not the sessions': it would have given way to one. */
  setSpareLaunching(isLaunching: boolean): void {
    this.#measure();
    this.#isSpareLaunching = isLaunching;
    if (!isLaunching) this.#measure();
  }

  started(session: object): void {
    // The last look at those before it: while it launches, nothing is measured.
    this.#measure();
    this.#startedAtUs.set(session, this.#clock.nowUs());
    if (this.isAuto) this.#sampling ??= this.#clock.every(SAMPLE_INTERVAL_MS, () => this.#measure());
  }

  ended(session: object): void {
    this.#startedAtUs.delete(session);
    if (this.#startedAtUs.size > 0) return;
    this.#sampling?.cancel();
    this.#sampling = undefined;
    this.#sample = undefined;
    this.#free = undefined;
  }

  #measure(): void {
    if (!this.isAuto || this.#startedAtUs.size === 0) return;
    const atUs = this.#clock.nowUs();
    const isSettling = [...this.#startedAtUs.values()].some(
      (startedAtUs) => atUs - startedAtUs < SETTLING_US,
    );
    if (isSettling || this.#isSpareLaunching) {
      this.#sample = undefined;
      return;
    }
    const sample = { atUs, time: this.#machine.readCpuTime() };
    const elapsedSeconds = this.#sample === undefined ? 0 : (atUs - this.#sample.atUs) / 1e6;
    if (this.#sample !== undefined && elapsedSeconds >= 1) {
      const cores = freeCores(this.#machine.size, this.#sample.time, sample.time, elapsedSeconds);
      this.#free = { cores, atUs };
    }
    if (this.#sample === undefined || elapsedSeconds >= 1) this.#sample = sample;
  }
}
