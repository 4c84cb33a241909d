import { resolve } from 'node:path';

import { anObject, badOption, integerBetween, refuseUnknownNames } from './option-checks.js';

/** Whether and within which bounds sessions may be recorded. */
export interface RecordingOptions {
  /** Where the files go; made if it is missing. Nothing else of the server reads or removes what is in it. */
  directory: string;
  /** How large one recording may get, its files together, bytes, 1 MiB–2^53. Default 4 GiB. */
  maxBytes?: number;
  /** How large all recordings in `directory` may get together, those of earlier runs included, bytes, 1 MiB–2^53. Default 20 GiB. */
  maxTotalBytes?: number;
  /** Most recordings that run at once, 1–1000. Default 4. */
  maxRecordings?: number;
  /** How long one recording may run, ms, 1000–2147483647. Default 4 hours. */
  maxDurationMs?: number;
  /** How far keyframes, and with them the places one can seek to, may lie apart, ms, 500–60000. Default 5000. */
  keyframeIntervalMs?: number;
}

/** The live playlist of a session, RFC 8216. */
export interface HlsOptions {
  /** Length of a segment, ms, 1000–10000. Default 2000. */
  segmentMs?: number;
  /** Segments in the playlist, 3–30. Default 6. */
  windowSegments?: number;
  /** Segments stop being made when nobody asked for this long, ms, 5000–600000. Default 30000. */
  idleMs?: number;
}

export type ResolvedRecordingOptions = Readonly<Required<RecordingOptions>>;
export type ResolvedHlsOptions = Readonly<Required<HlsOptions>>;

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const bytes = integerBetween(MIB, Number.MAX_SAFE_INTEGER);

const RECORDING_NUMBERS = {
  maxBytes: { check: bytes, fallback: 4 * GIB },
  maxTotalBytes: { check: bytes, fallback: 20 * GIB },
  maxRecordings: { check: integerBetween(1, 1000), fallback: 4 },
  maxDurationMs: { check: integerBetween(1000, 2_147_483_647), fallback: 4 * 3_600_000 },
  keyframeIntervalMs: { check: integerBetween(500, 60_000), fallback: 5000 },
} as const;

const HLS_NUMBERS = {
  segmentMs: { check: integerBetween(1000, 10_000), fallback: 2000 },
  windowSegments: { check: integerBetween(3, 30), fallback: 6 },
  idleMs: { check: integerBetween(5000, 600_000), fallback: 30_000 },
} as const;

/** @throws StreamKitError `bad_option`. */
export function recordingOptions(value: unknown, name: string): ResolvedRecordingOptions {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['directory', ...Object.keys(RECORDING_NUMBERS)], name);
  const { directory } = given;
  if (typeof directory !== 'string' || directory === '' || directory.includes('\0')) {
    throw badOption('path of a directory', `${name}.directory`, directory);
  }
  return Object.freeze({ directory: resolve(directory), ...numbers(given, name, RECORDING_NUMBERS) });
}

/**
 * @param value - true for the defaults, false for no playlist.
 * @throws StreamKitError `bad_option`.
 */
export function hlsOptions(value: unknown, name: string): ResolvedHlsOptions | undefined {
  if (value === false) return undefined;
  const given = value === true ? {} : anObject(value, name);
  refuseUnknownNames(given, Object.keys(HLS_NUMBERS), name);
  return Object.freeze(numbers(given, name, HLS_NUMBERS));
}

function numbers<T extends string>(
  given: Readonly<Record<string, unknown>>,
  name: string,
  known: Readonly<Record<T, { check: (value: unknown, name: string) => number; fallback: number }>>,
): Record<T, number> {
  const resolved = {} as Record<T, number>;
  for (const key of Object.keys(known) as T[]) {
    const { check, fallback } = known[key];
    resolved[key] = given[key] === undefined ? fallback : check(given[key], `${name}.${key}`);
  }
  return resolved;
}
