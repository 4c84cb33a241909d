import type { SessionBudget } from '../protocol/session-usage.js';
import { anObject, integerBetween } from './option-checks.js';
import { option, type OptionsOf, statedOptions } from './option-definition.js';

const LONGEST_TIMER_MS = 2_147_483_647;

const SESSION_BUDGET = {
  /** How long it may live, ms, 1000–2147483647. Default: no limit. */
  maxDurationMs: option<number>(integerBetween(1000, LONGEST_TIMER_MS)),
  /** Media that may be sent to its viewers, bytes, 1–2^53; looked at every 5 s. Default: no limit. */
  maxBytes: option<number>(integerBetween(1, Number.MAX_SAFE_INTEGER)),
  /** CPU time of its browser, capture and encoders, seconds, 1–1000000000; looked at every 5 s. Default: no limit. */
  maxCpuSeconds: option<number>(integerBetween(1, 1_000_000_000)),
};

/**
 * What one page session may use. One that has used more ends with `budget_exceeded`. A request can lower it, with `budget` in the body
 * of `POST /`.
 */
export interface SessionBudgetOptions extends OptionsOf<typeof SESSION_BUDGET> {}

/** @throws StreamKitError `bad_option`. */
export function sessionBudgetOption(value: unknown, name: string): SessionBudget {
  return statedOptions(SESSION_BUDGET, anObject(value, name), name);
}

/** The lower of both, for each. */
export function lowerBudget(one: SessionBudget, other: SessionBudget): SessionBudget {
  const names = Object.keys(SESSION_BUDGET) as (keyof SessionBudget)[];
  const stated = names.filter((key) => (one[key] ?? other[key]) !== undefined);
  return Object.fromEntries(
    stated.map((key) => [key, Math.min(one[key] ?? Infinity, other[key] ?? Infinity)]),
  );
}
