import { badOption, integerBetween } from './option-checks.js';
import { option, type OptionsOf, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

const RESTART = {
  /** Most restarts within `windowMs`; one more fault ends the session, 1–100. Default 3. */
  attempts: option<number>(integerBetween(1, 100), 3),
  /** Restarts longer ago than this do not count, ms, 1000–86400000. Default 600000. */
  windowMs: option<number>(integerBetween(1000, 86_400_000), 600_000),
};

/** How often a page session that broke comes back under the same id. Its viewers stay connected. */
export interface RestartOptions extends OptionsOf<typeof RESTART> {}

export type ResolvedRestartOptions = ResolvedOptionsOf<typeof RESTART>;

const checkRestart = tableCheck(RESTART);

export const DEFAULT_RESTART = checkRestart({}, 'restart');

/** @throws StreamKitError `bad_option`. */
export function restartOptions(value: unknown, name: string): ResolvedRestartOptions | false {
  if (value === false) return false;
  if (value === true) throw badOption('object or false', name, value);
  return checkRestart(value, name);
}
