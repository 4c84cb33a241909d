import type { IncomingMessage } from 'node:http';

import type { Clock } from '../clock.js';
import { asError, StreamKitError } from '../errors.js';
import { readBytes } from './json-body.js';

/** Largest text body, bytes: an SDP with every codec that a browser knows is about 20 KiB. */
export const MAX_TEXT_BYTES = 64 * 1024;

/** A request whose body a parser of the framework may have read already. */
interface ParsedRequest extends IncomingMessage {
  readonly body?: unknown;
}

/**
 * Reads a body of one media type as UTF-8, or takes what a body parser before us has read.
 *
 * @throws StreamKitError `unsupported_media_type`, `too_large`, `bad_request` (408 for a body that is too slow).
 */
export async function readTextBody(request: ParsedRequest, mediaType: string, clock: Clock): Promise<string> {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';');
  if (type.trim().toLowerCase() !== mediaType) {
    throw new StreamKitError('unsupported_media_type', `Expected a body of type ${mediaType}`);
  }
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity' && !request.readableDidRead) {
    throw new StreamKitError('unsupported_media_type', 'Expected a body without content encoding');
  }
  if (Number(request.headers['content-length'] ?? 0) > MAX_TEXT_BYTES) throw tooLarge();
  const body = request.readableDidRead ? request.body : await readBytes(request, clock);
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw new StreamKitError('internal', 'The body was read before this router, which left no text of it');
  }
  if (Buffer.byteLength(body) > MAX_TEXT_BYTES) throw tooLarge();
  if (typeof body === 'string') return body;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (thrown) {
    throw new StreamKitError('bad_request', 'The body is not valid UTF-8', { cause: asError(thrown) });
  }
}

function tooLarge(): StreamKitError {
  const headers = { Connection: 'close' };
  return new StreamKitError('too_large', `The body is larger than ${MAX_TEXT_BYTES} bytes`, { headers });
}
