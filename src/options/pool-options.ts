import { anObject, integerBetween, refuseUnknownNames } from './option-checks.js';

/** Browsers that are launched before they are asked for. Each serves one session, and nothing of a session is in it before. */
export interface PoolOptions {
  /** Most browsers that wait for a session, 1–100; each holds about 180 MiB. */
  size: number;
  /** One that has waited longer is replaced, ms, 10000–86400000. Default 600000. */
  maxAgeMs?: number;
}

export type ResolvedPoolOptions = Readonly<Required<PoolOptions>>;

const DEFAULT_MAX_AGE_MS = 600_000;

/** @throws StreamKitError `bad_option`. */
export function poolOptions(value: unknown, name: string): ResolvedPoolOptions {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['size', 'maxAgeMs'], name);
  const { maxAgeMs = DEFAULT_MAX_AGE_MS } = given;
  return Object.freeze({
    size: integerBetween(1, 100)(given.size, `${name}.size`),
    maxAgeMs: integerBetween(10_000, 86_400_000)(maxAgeMs, `${name}.maxAgeMs`),
  });
}
