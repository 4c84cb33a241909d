import type { OptionCheck } from './option-checks.js';
import { aBoolean, anObject, integerBetween, refuseUnknownNames } from './option-checks.js';

/** How the processes run in which pages are rendered, one a session. */
export interface SessionProcessOptions {
  /** One process is started ahead for the next session, which is ready sooner then: 30 MiB. Default true. */
  spare?: boolean;
  /** Browsers that are started at the same time; more wait for their turn, 1–64. Default 2. */
  launchesAtOnce?: number;
  /** Limit of a process's own JavaScript heap, without its browser and encoders, bytes, 64 MiB–2^53. Default 512 MiB. */
  heapBytes?: number;
}

export interface ResolvedSessionProcessOptions {
  readonly spare: boolean;
  readonly launchesAtOnce: number;
  readonly heapBytes: number;
}

const LEAST_HEAP_BYTES = 64 * 2 ** 20;
const CHECKS = {
  spare: aBoolean,
  launchesAtOnce: integerBetween(1, 64),
  heapBytes: integerBetween(LEAST_HEAP_BYTES, Number.MAX_SAFE_INTEGER),
};

export const DEFAULT_SESSION_PROCESS: ResolvedSessionProcessOptions = Object.freeze({
  spare: true,
  launchesAtOnce: 2,
  heapBytes: 512 * 2 ** 20,
});

/** @throws StreamKitError `bad_option`. */
export function sessionProcessOptions(value: unknown, name: string): ResolvedSessionProcessOptions {
  const given = anObject(value, name);
  refuseUnknownNames(given, Object.keys(CHECKS), name);
  const optional = <T>(key: keyof SessionProcessOptions, check: OptionCheck<T>): T | undefined =>
    given[key] === undefined ? undefined : check(given[key], `${name}.${key}`);
  return Object.freeze({
    spare: optional('spare', CHECKS.spare) ?? DEFAULT_SESSION_PROCESS.spare,
    launchesAtOnce:
      optional('launchesAtOnce', CHECKS.launchesAtOnce) ?? DEFAULT_SESSION_PROCESS.launchesAtOnce,
    heapBytes: optional('heapBytes', CHECKS.heapBytes) ?? DEFAULT_SESSION_PROCESS.heapBytes,
  });
}
