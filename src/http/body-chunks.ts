import type { Readable } from 'node:stream';

import type { Clock } from '../base/clock.js';
import { asError, StreamKitError } from '../base/errors.js';
import { checkLength, type RequestBody, tooLarge } from './json-body.js';

/** A client that sends nothing for this long is given up, ms. */
export const BODY_IDLE_MS = 30_000;

/**
 * Reads a body of any media type, as large as a file may be: only one piece of it is in memory at a time.
 *
 * @throws StreamKitError `unsupported_media_type`, `too_large`, `bad_request` (408 for a body that stands still).
 */
export async function* bodyChunks(
  { headers, unread, parsed }: RequestBody,
  maxBytes: number,
  clock: Clock,
): AsyncGenerator<Uint8Array> {
  if (unread !== undefined && (headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new StreamKitError('unsupported_media_type', 'Expected a body without content encoding');
  }
  checkLength(headers, maxBytes);
  if (unread === undefined) {
    const bytes = typeof parsed === 'string' ? Buffer.from(parsed) : parsed;
    if (!(bytes instanceof Uint8Array)) {
      throw new StreamKitError('internal', 'The body was read before this router, which left no bytes of it');
    }
    if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes, true);
    yield bytes;
    return;
  }
  // Ours is not to close it: the answer may need the connection.
  const chunks = unread.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  let bytes = 0;
  for (;;) {
    const next = await nextOf(chunks, unread, clock);
    if (next.done === true) return;
    bytes += next.value.byteLength;
    if (bytes > maxBytes) throw tooLarge(maxBytes, false);
    yield next.value;
  }
}

function nextOf(
  chunks: AsyncIterator<Buffer>,
  request: Readable,
  clock: Clock,
): Promise<IteratorResult<Buffer>> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(BODY_IDLE_MS, () => {
      const options = { status: 408, headers: { Connection: 'close' } };
      reject(new StreamKitError('bad_request', `Nothing of the body came for ${BODY_IDLE_MS} ms`, options));
    });
    const onLost = (cause?: unknown): void => {
      const error = cause === undefined ? {} : { cause: asError(cause) };
      reject(new StreamKitError('bad_request', 'The request was aborted', error));
    };
    request.once('aborted', onLost);
    chunks
      .next()
      .then(resolve, onLost)
      .finally(() => {
        timer.cancel();
        request.off('aborted', onLost);
      });
  });
}
