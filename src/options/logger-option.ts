import type { Logger } from '../base/logger.js';
import { anObject, badOption } from './option-checks.js';

const METHODS = ['debug', 'info', 'warn', 'error', 'child'] as const;

/** @throws StreamKitError `bad_option`. */
export function loggerOption(value: unknown, name: string): Logger {
  const given = anObject(value, name);
  const missing = METHODS.find((method) => typeof given[method] !== 'function');
  if (missing !== undefined) throw badOption('function', `${name}.${missing}`, given[missing]);
  return value as Logger;
}
