import { anObject, badOption, integerBetween, refuseUnknownNames } from './option-checks.js';

/** How often a page session that broke comes back under the same id. Its viewers stay connected. */
export interface RestartOptions {
  /** Most restarts within `windowMs`; one more fault ends the session, 1–100. Default 3. */
  attempts?: number;
  /** Restarts longer ago than this do not count, ms, 1000–86400000. Default 600000. */
  windowMs?: number;
}

export type ResolvedRestartOptions = Readonly<Required<RestartOptions>>;

export const DEFAULT_RESTART: ResolvedRestartOptions = Object.freeze({ attempts: 3, windowMs: 600_000 });

/** @throws StreamKitError `bad_option`. */
export function restartOptions(value: unknown, name: string): ResolvedRestartOptions | false {
  if (value === false) return false;
  if (value === true) throw badOption('object or false', name, value);
  const given = anObject(value, name);
  refuseUnknownNames(given, ['attempts', 'windowMs'], name);
  const { attempts, windowMs } = given;
  return Object.freeze({
    attempts:
      attempts === undefined
        ? DEFAULT_RESTART.attempts
        : integerBetween(1, 100)(attempts, `${name}.attempts`),
    windowMs:
      windowMs === undefined
        ? DEFAULT_RESTART.windowMs
        : integerBetween(1000, 86_400_000)(windowMs, `${name}.windowMs`),
  });
}
