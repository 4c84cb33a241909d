import type { Logger } from '../base/logger.js';
import { silentLogger } from '../base/logger.js';
import { anObject, badOption } from './option-checks.js';
import { redactingLogger } from '../base/redacting-logger.js';

const METHODS = ['debug', 'info', 'warn', 'error', 'child'] as const;

/**
 * The application's logger, behind what keeps secrets out of it.
 *
 * @param secrets - what must not get into a log wherever it stands.
 * @throws StreamKitError `bad_option`.
 */
export function loggerOption(value: unknown, secrets: readonly string[]): Logger {
  if (value === undefined) return silentLogger;
  const given = anObject(value, 'logger');
  const missing = METHODS.find((method) => typeof given[method] !== 'function');
  if (missing !== undefined) throw badOption('function', `logger.${missing}`, given[missing]);
  return redactingLogger(value as Logger, secrets);
}
