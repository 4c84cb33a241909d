import type { KeyObject } from 'node:crypto';

import { directoryPath, integerBetween } from './option-checks.js';
import { option, type OptionsOf, required, type ResolvedOptionsOf, tableCheck } from './option-definition.js';
import { secretOption } from './secret-option.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const LEAST_KEY_BYTES = 32;

const PROFILES = {
  /** Where the files go; made if it is missing. Servers may share it. */
  path: required<string>(directoryPath),
  /**
   * At least 32 bytes, random: profiles are encrypted with keys derived from it (HKDF-SHA-256, AES-256-GCM). Those that were stored
   * without it, or with another one, cannot be read. Default: they are not encrypted.
   */
  key: option<string | Uint8Array, KeyObject>(secretOption(LEAST_KEY_BYTES)),
  /** How large one profile may get, bytes, 1 MiB–4 GiB. A session whose profile is larger leaves the stored one as it was. Default 64 MiB. */
  maxBytes: option<number>(integerBetween(MIB, 4 * GIB), 64 * MIB),
  /** How large all profiles may get together, bytes, 1 MiB–2^53. Default 10 GiB. */
  maxTotalBytes: option<number>(integerBetween(MIB, Number.MAX_SAFE_INTEGER), 10 * GIB),
  /** Most profiles of one caller, 1–10000. Default 100. */
  maxPerCaller: option<number>(integerBetween(1, 10_000), 100),
};

/** Where profiles of sessions are stored, and how much of them. */
export interface ProfileDirectoryOptions extends OptionsOf<typeof PROFILES> {}

export type ResolvedProfileOptions = ResolvedOptionsOf<typeof PROFILES>;

const checkProfiles = tableCheck(PROFILES);

/**
 * @param value - a path stands for the defaults.
 * @throws StreamKitError `bad_option`.
 */
export function profileOptions(value: unknown, name: string): ResolvedProfileOptions {
  return checkProfiles(typeof value === 'string' ? { path: directoryPath(value, name) } : value, name);
}
