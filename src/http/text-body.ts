import type { Clock } from '../base/clock.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { RequestBody } from './json-body.js';
import { checkLength, readBytes, tooLarge } from './json-body.js';

/** Largest text body, bytes: an SDP with every codec that a browser knows is about 20 KiB. */
export const MAX_TEXT_BYTES = 64 * 1024;

/**
 * Reads a body of one media type as UTF-8, or takes what a body parser before us has read.
 *
 * @throws StreamKitError `unsupported_media_type`, `too_large`, `bad_request` (408 for a body that is too slow).
 */
export async function readTextBody(
  { headers, unread, parsed }: RequestBody,
  mediaType: string,
  clock: Clock,
): Promise<string> {
  const [type = ''] = (headers['content-type'] ?? '').split(';');
  if (type.trim().toLowerCase() !== mediaType) {
    throw new StreamKitError('unsupported_media_type', `Expected a body of type ${mediaType}`);
  }
  // A parser that has read the body has also decompressed it.
  if (unread !== undefined && (headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new StreamKitError('unsupported_media_type', 'Expected a body without content encoding');
  }
  checkLength(headers, MAX_TEXT_BYTES);
  const body = unread === undefined ? parsed : await readBytes(unread, MAX_TEXT_BYTES, clock);
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw new StreamKitError('internal', 'The body was read before this router, which left no text of it');
  }
  if (Buffer.byteLength(body) > MAX_TEXT_BYTES) throw tooLarge(MAX_TEXT_BYTES, true);
  if (typeof body === 'string') return body;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (thrown) {
    throw new StreamKitError('bad_request', 'The body is not valid UTF-8', { cause: asError(thrown) });
  }
}
