import { asError, StreamKitError } from '../base/errors.js';

/**
 * Size of parsed JSON in bytes of UTF-8.
 *
 * @throws StreamKitError `bad_request` for what is nested deeper than the stack can follow: `JSON.parse` has no
 * such limit, but everything that later walks the value has.
 */
export function jsonBytes(value: unknown, name: string): number {
  try {
    return Buffer.byteLength(JSON.stringify(value));
  } catch (error) {
    throw new StreamKitError('bad_request', `The ${name} is nested too deeply`, { cause: asError(error) });
  }
}
