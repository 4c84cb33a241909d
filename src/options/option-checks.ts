import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { inspect } from 'node:util';

import { StreamKitError } from '../base/errors.js';
import type { ErrorCode } from '../protocol/error-codes.js';

export const MAX_ENDPOINT_CHARACTERS = 2048;
export const MAX_TOKEN_CHARACTERS = 8192;

/** What a caller may hand in for one option, and how it is refused. */
export type OptionCheck<T> = (value: unknown, name: string) => T;

/** The one sentence every bad value gets. */
export function expectation(expected: string, name: string, value: unknown): string {
  return `Expected ${expected} for ${name} but received ${describe(value)}`;
}

/**
 * A misspelt key must not pass for one that was left out.
 *
 * @param expected - the keys that are known, as the error names them; default: separated by commas.
 * @throws StreamKitError
 */
export function refuseUnknownKeys(
  given: Readonly<Record<string, unknown>>,
  known: readonly string[],
  { expected = known.join(', '), code = 'bad_request' }: { expected?: string; code?: ErrorCode } = {},
): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new StreamKitError(
      code,
      `Expected ${expected} but received ${JSON.stringify(unknown.slice(0, 80))}`,
    );
  }
}

export function badOption(expected: string, name: string, value: unknown): StreamKitError {
  return new StreamKitError('bad_option', expectation(expected, name, value));
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'undefined';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'function') return 'a function';
  const shown = inspect(value);
  return `${shown.length > 80 ? `${shown.slice(0, 77)}...` : shown} of type ${typeof value}`;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A URL of one of `protocols`, such as `https:`, of at most {@link MAX_ENDPOINT_CHARACTERS} characters and without
 * credentials.
 */
export function isEndpoint(value: unknown, protocols: RegExp): value is string {
  if (typeof value !== 'string' || value.length > MAX_ENDPOINT_CHARACTERS || !URL.canParse(value))
    return false;
  const { protocol, username, password } = new URL(value);
  return protocols.test(protocol) && username === '' && password === '';
}

/** What a header can carry as a bearer token: 1 to {@link MAX_TOKEN_CHARACTERS} printable ASCII characters without spaces. */
export function isToken(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TOKEN_CHARACTERS && /^[\x21-\x7e]+$/.test(value);
}

export function integerBetween(least: number, most: number): OptionCheck<number> {
  return (value, name) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw badOption(`integer between ${least} and ${most}`, name, value);
    }
    return value;
  };
}

export function evenIntegerBetween(least: number, most: number): OptionCheck<number> {
  return (value, name) => {
    if (typeof value !== 'number' || value % 2 !== 0 || value < least || value > most) {
      throw badOption(`even integer between ${least} and ${most}`, name, value);
    }
    return value;
  };
}

export function aBoolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw badOption('boolean', name, value);
  return value;
}

export function oneOf<T extends string>(...allowed: readonly T[]): OptionCheck<T> {
  return (value, name) => {
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) throw badOption(`one of ${allowed.join(', ')}`, name, value);
    return found;
  };
}

/** `auto`, or what passes `check`. */
export function autoOr<T>(check: OptionCheck<T>): OptionCheck<T | 'auto'> {
  return (value, name) => (value === 'auto' ? value : check(value, name));
}

/** The caller's own function; what it takes and returns is checked where it is called. */
export function aFunction(value: unknown, name: string): (...parameters: never[]) => unknown {
  if (typeof value !== 'function') throw badOption('function', name, value);
  return value as (...parameters: never[]) => unknown;
}

export function anObject(value: unknown, name: string): Record<string, unknown> {
  if (!isPlainObject(value)) throw badOption('object', name, value);
  return value;
}

export function ipAddress(value: unknown, name: string): string {
  if (typeof value !== 'string' || isIP(value) === 0) throw badOption('IP address', name, value);
  return value;
}

/** @returns the absolute path. */
export function directoryPath(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw badOption('path of a directory', name, value);
  }
  return resolve(value);
}

export function listOf<T>(check: OptionCheck<T>): OptionCheck<readonly T[]> {
  return (value, name) => {
    if (!Array.isArray(value)) throw badOption('array', name, value);
    return Object.freeze(value.map((entry: unknown, index) => check(entry, `${name}[${index}]`)));
  };
}

/** A misspelt option must not pass for one left at its default. */
export function refuseUnknownNames(
  given: Readonly<Record<string, unknown>>,
  known: readonly string[],
  where: string,
): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new StreamKitError('bad_option', `Unknown option ${JSON.stringify(unknown)} in ${where}`);
  }
}
