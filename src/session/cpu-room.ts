import type { Clock } from '../base/clock.js';
import { type CpuTime, freeCores, type MachineLoad } from '../base/machine-load.js';

/** Cores that stay free for what comes: pictures that are harder to encode, sessions that start. */
const RESERVE_CORES = 0.3;
/** With fewer free cores than this, encodings that somebody could do without are given up. */
const SHORTAGE_CORES = 0.1;
/** The shortest time over which a load is measured, s. */
const LEAST_SAMPLE_SECONDS = 1;
/** Older measurements are ignored, s. */
const STALE_SECONDS = 5;

interface CpuSample {
  readonly atUs: number;
  readonly time: CpuTime;
}

/** How much of this machine's CPU further encodings may take, by what is idle while somebody asks. */
export class CpuRoom {
  readonly #machine: MachineLoad;
  readonly #clock: Clock;
  #sample: CpuSample | undefined;
  /** Cores that were idle, less what was taken since. Undefined: not known. */
  #free: number | undefined;

  constructor(machine: MachineLoad, clock: Clock) {
    this.#machine = machine;
    this.#clock = clock;
  }

  /**
   * The cores that one who uses `usedCores` of them now may use from now on; asked about once per second. It is less than
   * `usedCores` when the machine is short of CPU, and `usedCores` while its load is not known.
   */
  coresFor(usedCores: number): number {
    this.#measure();
    if (this.#free === undefined) return usedCores;
    if (this.#free < SHORTAGE_CORES) return usedCores - (SHORTAGE_CORES - this.#free);
    return usedCores + Math.max(0, this.#free - RESERVE_CORES);
  }

  /** So many more cores are used, which does not show in what was measured. Negative: they are given back. */
  take(cores: number): void {
    if (this.#free !== undefined) this.#free -= cores;
  }

  #measure(): void {
    const atUs = this.#clock.nowUs();
    const elapsedSeconds = this.#sample === undefined ? Infinity : (atUs - this.#sample.atUs) / 1e6;
    if (elapsedSeconds < LEAST_SAMPLE_SECONDS) return;
    const time = this.#machine.readCpuTime();
    this.#free =
      this.#sample === undefined || elapsedSeconds > STALE_SECONDS
        ? undefined
        : freeCores(this.#machine.size, this.#sample.time, time, elapsedSeconds);
    this.#sample = { atUs, time };
  }
}
