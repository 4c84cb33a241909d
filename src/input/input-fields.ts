import { expectation, isPlainObject } from '../options/option-checks.js';
import { InputError } from './input-error.js';

/** The fields of one message, unchecked. */
export type Fields = Readonly<Record<string, unknown>>;

export function number(fields: Fields, name: string, least: number, most: number, where?: string): number {
  return numberIn(fields[name], where === undefined ? name : `${where}.${name}`, least, most);
}

export function numberIn(value: unknown, name: string, least: number, most: number): number {
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw bad(`number between ${least} and ${most}`, name, value);
  }
  return value;
}

export function integer(fields: Fields, name: string, least: number, most: number, where?: string): number {
  const value = fields[name];
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    const full = where === undefined ? name : `${where}.${name}`;
    throw bad(`integer between ${least} and ${most}`, full, value);
  }
  return value as number;
}

export function optional(fields: Fields, name: string, least: number, most: number): number | undefined {
  return fields[name] === undefined ? undefined : integer(fields, name, least, most);
}

export function oneOf<const T extends string>(fields: Fields, name: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === fields[name]);
  if (found === undefined) throw bad(`one of ${allowed.join(', ')}`, name, fields[name]);
  return found;
}

export function list(fields: Fields, name: string, least: number, most: number): Fields[] {
  const value = fields[name];
  if (!Array.isArray(value) || value.length < least || value.length > most) {
    throw bad(`array of ${least} to ${most}`, name, value);
  }
  return value.map((entry: unknown, index) => {
    if (!isPlainObject(entry)) throw bad('object', `${name}[${index}]`, entry);
    return entry;
  });
}

export function text(fields: Fields, name: string, mostBytes: number): string {
  const value = fields[name];
  if (typeof value !== 'string') throw bad('string', name, value);
  if (Buffer.byteLength(value) > mostBytes) {
    throw new InputError('bad_input', `Expected at most ${mostBytes} bytes for ${name}`);
  }
  if (!isWellFormed(value)) throw bad('well-formed Unicode', name, value);
  return value;
}

/** Half of a surrogate pair is no text: what it is passed on to would refuse the whole message, or worse. */
export function isWellFormed(value: string): boolean {
  return !/\p{Surrogate}/u.test(value);
}

export function bad(expected: string, name: string, value: unknown): InputError {
  return new InputError('bad_input', expectation(expected, name, value));
}
