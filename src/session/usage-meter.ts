import type { Clock, Timer } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { SessionBudget, SessionUsage } from '../protocol/session-usage.js';
import type { CpuMeter, MeteredProcess } from './cpu-meter.js';
import { CPU_SAMPLE_INTERVAL_MS } from './cpu-meter.js';
import type { SessionCounters } from './session-counters.js';
import { ownCounters } from './session-counters.js';

export interface UsageMeterParameters {
  readonly clock: Clock;
  readonly cpu: CpuMeter;
  /** The router's. */
  readonly counters: SessionCounters;
  readonly budget: SessionBudget;
  /** What the session has used before, at another server. Default: nothing. */
  readonly earlier?: SessionUsage | undefined;
}

const US_PER_MS = 1000;
const US_PER_SECOND = 1_000_000;

/** Adds up what one session uses, and says when that is more than it may. */
export class UsageMeter {
  /** What the media of the session is to be counted in; the router's has it too. */
  readonly counters: SessionCounters;
  readonly #parameters: UsageMeterParameters;
  readonly #createdAtUs: number;
  readonly #closeCounters: () => void;
  readonly #timers: Timer[] = [];
  #pid: number | undefined;
  #process: MeteredProcess | undefined;
  /** That of processes which were replaced. */
  #earlierCpuSeconds: number | undefined;
  #webSocketBytes = 0;
  #framesEncoded = 0;
  #viewers = { count: 0, sinceUs: 0, sumUs: 0 };
  /** Without what was used before. */
  #closed: SessionUsage | undefined;

  constructor(parameters: UsageMeterParameters) {
    this.#parameters = parameters;
    this.#createdAtUs = parameters.clock.nowUs();
    this.counters = ownCounters(parameters.counters);
    this.#closeCounters = parameters.counters.usage.open(() => {
      const { cpuSeconds, viewerMinutes } = this.#own;
      return { cpuSeconds: cpuSeconds ?? 0, viewerSeconds: viewerMinutes * 60 };
    });
  }

  /** The session's process; undefined while there is none. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** As it is now; after {@link close} as it was then. */
  get usage(): SessionUsage {
    const { earlier } = this.#parameters;
    const own = this.#own;
    if (earlier === undefined) return own;
    return {
      durationMs: earlier.durationMs + own.durationMs,
      cpuSeconds: sum(earlier.cpuSeconds ?? undefined, own.cpuSeconds ?? undefined) ?? null,
      gpuSeconds: sum(earlier.gpuSeconds ?? undefined, own.gpuSeconds ?? undefined) ?? null,
      bytesSent: earlier.bytesSent + own.bytesSent,
      viewerMinutes: earlier.viewerMinutes + own.viewerMinutes,
      framesEncoded: earlier.framesEncoded + own.framesEncoded,
    };
  }

  get #own(): SessionUsage {
    if (this.#closed !== undefined) return this.#closed;
    const sent = this.counters.viewers.read();
    return {
      durationMs: Math.round(this.#elapsedUs(this.#createdAtUs) / US_PER_MS),
      cpuSeconds: sum(this.#earlierCpuSeconds, this.#process?.cpuSeconds) ?? null,
      gpuSeconds: null,
      bytesSent: sent['video.bytesSent'] + sent['audio.bytesSent'] + this.#webSocketBytes,
      viewerMinutes: this.#viewerUs() / US_PER_SECOND / 60,
      framesEncoded: this.#framesEncoded,
    };
  }

  /** @param onSpent - more than the budget was used; at most once, and not after {@link close}. */
  watchBudget(onSpent: (error: StreamKitError) => void): void {
    const { clock, budget, earlier } = this.#parameters;
    const { maxDurationMs, maxBytes, maxCpuSeconds } = budget;
    const spend = (limit: string): void => {
      this.#stopTimers();
      onSpent(new StreamKitError('budget_exceeded', `The session has used as much as ${limit} permits`));
    };
    if (maxDurationMs !== undefined) {
      const leftMs = Math.max(0, maxDurationMs - (earlier?.durationMs ?? 0));
      this.#timers.push(clock.after(leftMs, () => spend('maxDurationMs')));
    }
    if (maxBytes === undefined && maxCpuSeconds === undefined) return;
    const look = (): void => {
      const { bytesSent, cpuSeconds } = this.usage;
      if (bytesSent > (maxBytes ?? Infinity)) spend('maxBytes');
      else if ((cpuSeconds ?? 0) > (maxCpuSeconds ?? Infinity)) spend('maxCpuSeconds');
    };
    this.#timers.push(clock.every(CPU_SAMPLE_INTERVAL_MS, look));
  }

  /** The session's process is this one from now on. */
  setProcess(pid: number): void {
    this.#closeProcess();
    this.#process = this.#parameters.cpu.open(pid);
    this.#pid = pid;
  }

  addFrames(count: number): void {
    this.#framesEncoded += count;
  }

  addWebSocketBytes(bytes: number): void {
    this.#webSocketBytes += bytes;
  }

  /** So many are there from now on. */
  setViewers(count: number): void {
    this.#viewers = { count, sinceUs: this.#parameters.clock.nowUs(), sumUs: this.#viewerUs() };
  }

  /** Looks at the process now. Never rejects. */
  async sample(): Promise<void> {
    await this.#process?.sample();
  }

  /** Measures no more. Idempotent. */
  close(): void {
    this.#stopTimers();
    this.#closed ??= this.#own;
    this.#closeProcess();
    this.#closeCounters();
  }

  #closeProcess(): void {
    this.#earlierCpuSeconds = sum(this.#earlierCpuSeconds, this.#process?.cpuSeconds);
    this.#process?.close();
    this.#process = undefined;
    this.#pid = undefined;
  }

  #stopTimers(): void {
    for (const timer of this.#timers.splice(0)) timer.cancel();
  }

  #viewerUs(): number {
    const { count, sinceUs, sumUs } = this.#viewers;
    return sumUs + count * this.#elapsedUs(sinceUs);
  }

  #elapsedUs(sinceUs: number): number {
    return this.#parameters.clock.nowUs() - sinceUs;
  }
}

function sum(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined ? other : one + (other ?? 0);
}
