import { integerBetween } from './option-checks.js';
import { option, type OptionsOf, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

/** A browser alone has about 150 threads; below this none would start. */
const LEAST_PIDS = 64;
const MOST_PIDS = 4_194_304;
const LEAST_MEMORY_BYTES = 128 * 2 ** 20;

const SESSION_LIMITS = {
  /** A session that needs more ends, alone, with `out_of_memory`, bytes, 128 MiB–2^53. Default: no limit. */
  memoryBytes: option<number>(integerBetween(LEAST_MEMORY_BYTES, Number.MAX_SAFE_INTEGER)),
  /** Share of the CPU when it is short, against the other sessions and this process with 100, 1–10000. Default: that of this process. */
  cpuWeight: option<number>(integerBetween(1, 10_000)),
  /** Most processes and threads, 64–4194304. Default: no limit. */
  pids: option<number>(integerBetween(LEAST_PIDS, MOST_PIDS)),
};

/**
 * What one page session may use: its browser, capture and encoders together. Where this process has a delegated cgroup v2
 * (systemd `Delegate=yes`, containers), each session gets a cgroup of its own. Otherwise memory is watched, the CPU weight
 * becomes a niceness, and `pids` has no effect; `stream-kit-server doctor` reports which applies.
 */
export interface SessionLimitOptions extends OptionsOf<typeof SESSION_LIMITS> {}

export type ResolvedSessionLimits = ResolvedOptionsOf<typeof SESSION_LIMITS>;

/** @throws StreamKitError `bad_option`. */
export const sessionLimitOptions = tableCheck(SESSION_LIMITS);
