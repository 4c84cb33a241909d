import type { OptionCheck } from './option-checks.js';
import { anObject, integerBetween, refuseUnknownNames } from './option-checks.js';

/**
 * What one page session may use: its browser, capture and encoders together. Where this process has a delegated cgroup v2
 * (systemd `Delegate=yes`, containers), each session gets a cgroup of its own. Otherwise memory is watched, the CPU weight
 * becomes a niceness, and `pids` has no effect; `stream-kit-server doctor` reports which applies.
 */
export interface SessionLimitOptions {
  /** A session that needs more ends, alone, with `out_of_memory`, bytes, 128 MiB–2^53. Default: no limit. */
  memoryBytes?: number;
  /** Share of the CPU when it is short, against the other sessions and this process with 100, 1–10000. Default: that of this process. */
  cpuWeight?: number;
  /** Most processes and threads, 64–4194304. Default: no limit. */
  pids?: number;
}

export interface ResolvedSessionLimits {
  readonly memoryBytes: number | undefined;
  readonly cpuWeight: number | undefined;
  readonly pids: number | undefined;
}

/** A browser alone has about 150 threads; below this none would start. */
const LEAST_PIDS = 64;
const MOST_PIDS = 4_194_304;
const LEAST_MEMORY_BYTES = 128 * 2 ** 20;

const CHECKS: Readonly<Record<keyof SessionLimitOptions, OptionCheck<number>>> = {
  memoryBytes: integerBetween(LEAST_MEMORY_BYTES, Number.MAX_SAFE_INTEGER),
  cpuWeight: integerBetween(1, 10_000),
  pids: integerBetween(LEAST_PIDS, MOST_PIDS),
};

/** @throws StreamKitError `bad_option`. */
export function sessionLimitOptions(value: unknown, name: string): ResolvedSessionLimits {
  const given = anObject(value, name);
  refuseUnknownNames(given, Object.keys(CHECKS), name);
  const optional = (key: keyof SessionLimitOptions): number | undefined =>
    given[key] === undefined ? undefined : CHECKS[key](given[key], `${name}.${key}`);
  return Object.freeze({
    memoryBytes: optional('memoryBytes'),
    cpuWeight: optional('cpuWeight'),
    pids: optional('pids'),
  });
}
