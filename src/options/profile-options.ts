import { createSecretKey, type KeyObject } from 'node:crypto';
import { resolve } from 'node:path';

import { StreamKitError } from '../base/errors.js';
import { anObject, badOption, integerBetween, refuseUnknownNames } from './option-checks.js';

/** Where profiles of sessions are stored, and how much of them. */
export interface ProfileDirectoryOptions {
  /** Where the files go; made if it is missing. Servers may share it. */
  path: string;
  /**
   * At least 32 bytes, random: profiles are encrypted with keys derived from it (HKDF-SHA-256, AES-256-GCM). Those that were stored
   * without it, or with another one, cannot be read. Default: they are not encrypted.
   */
  key?: string | Uint8Array;
  /** How large one profile may get, bytes, 1 MiB–4 GiB. A session whose profile is larger leaves the stored one as it was. Default 64 MiB. */
  maxBytes?: number;
  /** How large all profiles may get together, bytes, 1 MiB–2^53. Default 10 GiB. */
  maxTotalBytes?: number;
  /** Most profiles of one caller, 1–10000. Default 100. */
  maxPerCaller?: number;
}

export interface ResolvedProfileOptions {
  readonly path: string;
  /** Undefined: profiles are not encrypted. */
  readonly key: KeyObject | undefined;
  readonly maxBytes: number;
  readonly maxTotalBytes: number;
  readonly maxPerCaller: number;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const LEAST_KEY_BYTES = 32;

const NUMBERS = {
  maxBytes: { check: integerBetween(MIB, 4 * GIB), fallback: 64 * MIB },
  maxTotalBytes: { check: integerBetween(MIB, Number.MAX_SAFE_INTEGER), fallback: 10 * GIB },
  maxPerCaller: { check: integerBetween(1, 10_000), fallback: 100 },
} as const;

/**
 * @param value - a path stands for the defaults.
 * @throws StreamKitError `bad_option`.
 */
export function profileOptions(value: unknown, name: string): ResolvedProfileOptions {
  const given = typeof value === 'string' ? { path: value } : anObject(value, name);
  refuseUnknownNames(given, ['path', 'key', ...Object.keys(NUMBERS)], name);
  const { path, key } = given;
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw badOption('path of a directory', typeof value === 'string' ? name : `${name}.path`, path);
  }
  const number = (of: keyof typeof NUMBERS): number => {
    const { check, fallback } = NUMBERS[of];
    return given[of] === undefined ? fallback : check(given[of], `${name}.${of}`);
  };
  return Object.freeze({
    path: resolve(path),
    key: key === undefined ? undefined : secretKey(key, `${name}.key`),
    maxBytes: number('maxBytes'),
    maxTotalBytes: number('maxTotalBytes'),
    maxPerCaller: number('maxPerCaller'),
  });
}

/** The bytes are copied, and what was received must not reach a log. */
function secretKey(value: unknown, name: string): KeyObject {
  const bytes =
    typeof value === 'string' || value instanceof Uint8Array ? Buffer.from(value as Uint8Array) : undefined;
  if (bytes === undefined || bytes.byteLength < LEAST_KEY_BYTES) {
    const received = bytes === undefined ? `type ${typeof value}` : `${bytes.byteLength} bytes`;
    const expected = `string or Uint8Array of at least ${LEAST_KEY_BYTES} bytes`;
    throw new StreamKitError('bad_option', `Expected ${expected} for ${name} but received ${received}`);
  }
  return createSecretKey(bytes);
}
