import type { SessionBudget } from '../protocol/session-usage.js';
import { anObject, integerBetween, refuseUnknownNames } from './option-checks.js';

/**
 * What one page session may use. One that has used more ends with `budget_exceeded`. A request can lower it, with `budget` in the body
 * of `POST /`.
 */
export interface SessionBudgetOptions {
  /** How long it may live, ms, 1000–2147483647. Default: no limit. */
  maxDurationMs?: number;
  /** Media that may be sent to its viewers, bytes, 1–2^53; looked at every 5 s. Default: no limit. */
  maxBytes?: number;
  /** CPU time of its browser, capture and encoders, seconds, 1–1000000000; looked at every 5 s. Default: no limit. */
  maxCpuSeconds?: number;
}

const CHECKS = {
  // The longest that a timer can wait.
  maxDurationMs: integerBetween(1000, 2_147_483_647),
  maxBytes: integerBetween(1, Number.MAX_SAFE_INTEGER),
  maxCpuSeconds: integerBetween(1, 1_000_000_000),
} as const;

/** @throws StreamKitError `bad_option`. */
export function sessionBudgetOption(value: unknown, name: string): SessionBudget {
  const given = anObject(value, name);
  const names = Object.keys(CHECKS) as (keyof SessionBudget)[];
  refuseUnknownNames(given, names, name);
  const stated = names.filter((key) => given[key] !== undefined);
  return Object.freeze(
    Object.fromEntries(stated.map((key) => [key, CHECKS[key](given[key], `${name}.${key}`)])),
  );
}

/** The lower of both, for each. */
export function lowerBudget(one: SessionBudget, other: SessionBudget): SessionBudget {
  const names = Object.keys(CHECKS) as (keyof SessionBudget)[];
  const stated = names.filter((key) => (one[key] ?? other[key]) !== undefined);
  return Object.fromEntries(
    stated.map((key) => [key, Math.min(one[key] ?? Infinity, other[key] ?? Infinity)]),
  );
}
