import { aBoolean, integerBetween } from './option-checks.js';
import { option, type OptionsOf, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

const LEAST_HEAP_BYTES = 64 * 2 ** 20;

const SESSION_PROCESS = {
  /** One process is started ahead for the next session, which is ready sooner then: 30 MiB. Default true. */
  spare: option<boolean>(aBoolean, true),
  /** Browsers that are started at the same time; more wait for their turn, 1–64. Default 2. */
  launchesAtOnce: option<number>(integerBetween(1, 64), 2),
  /** Limit of a process's own JavaScript heap, without its browser and encoders, bytes, 64 MiB–2^53. Default 512 MiB. */
  heapBytes: option<number>(integerBetween(LEAST_HEAP_BYTES, Number.MAX_SAFE_INTEGER), 512 * 2 ** 20),
};

/** How the processes run in which pages are rendered, one a session. */
export interface SessionProcessOptions extends OptionsOf<typeof SESSION_PROCESS> {}

export type ResolvedSessionProcessOptions = ResolvedOptionsOf<typeof SESSION_PROCESS>;

/** @throws StreamKitError `bad_option`. */
export const sessionProcessOptions = tableCheck(SESSION_PROCESS);
