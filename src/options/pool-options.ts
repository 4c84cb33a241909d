import { integerBetween } from './option-checks.js';
import { option, type OptionsOf, required, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

const POOL = {
  /** Most browsers that wait for a session, 1–100; each holds about 180 MiB. */
  size: required<number>(integerBetween(1, 100)),
  /** One that has waited longer is replaced, ms, 10000–86400000. Default 600000. */
  maxAgeMs: option<number>(integerBetween(10_000, 86_400_000), 600_000),
};

/** Browsers that are launched before they are asked for. Each serves one session, and nothing of a session is in it before. */
export interface PoolOptions extends OptionsOf<typeof POOL> {}

export type ResolvedPoolOptions = ResolvedOptionsOf<typeof POOL>;

/** @throws StreamKitError `bad_option`. */
export const poolOptions = tableCheck(POOL);
