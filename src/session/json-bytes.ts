import { asError, StreamKitError } from '../base/errors.js';

/** Of what a page is sent, bytes of JSON. */
export const MAX_MESSAGE_BYTES = 64 * 1024;
export const MAX_PAGE_STATE_BYTES = 256 * 1024;

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

/** @throws StreamKitError `unprocessable` for undefined, `too_large`, or as {@link jsonBytes}. */
export function checkJson(value: unknown, name: string, maxBytes: number): void {
  if (value === undefined) throw new StreamKitError('unprocessable', `The ${name} has no payload`);
  if (jsonBytes(value, name) > maxBytes) {
    throw new StreamKitError('too_large', `The ${name} is larger than ${maxBytes} bytes`);
  }
}
