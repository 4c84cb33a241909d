import { badOption } from './option-checks.js';

/** How pictures and sound are kept together. */
export interface ResolvedLipSync {
  /** Viewers may hold pictures back for sound. */
  readonly holdsPictures: boolean;
  /** By how much sound may be late before they do, ms. */
  readonly toleranceMs: number;
}

const DEFAULT_TOLERANCE_MS = 80;
const MAX_TOLERANCE_MS = 200;

/** @throws StreamKitError `bad_option`. */
export function lipSyncOption(value: unknown, name: string): ResolvedLipSync {
  if (value === true) return { holdsPictures: true, toleranceMs: DEFAULT_TOLERANCE_MS };
  if (value === false) return { holdsPictures: false, toleranceMs: 0 };
  if (value === 'strict') return { holdsPictures: true, toleranceMs: 0 };
  if (typeof value !== 'number' || !(value >= 0 && value <= MAX_TOLERANCE_MS)) {
    throw badOption(`boolean, 'strict' or number between 0 and ${MAX_TOLERANCE_MS}`, name, value);
  }
  return { holdsPictures: true, toleranceMs: value };
}
