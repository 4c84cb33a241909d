import type { IncomingMessage } from 'node:http';

import type { Clock } from '../clock.js';
import { asError, StreamKitError } from '../errors.js';

/** Largest request body, bytes. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** How long a client may take to send its body, ms. */
export const BODY_TIMEOUT_MS = 10_000;
/**
 * A body that is too large, but not larger than this, is read and dropped, so that the connection and with it the
 * answer survive; beyond it the connection is closed.
 */
const MAX_DRAINED_BYTES = 8 * MAX_BODY_BYTES;

/** A request whose body a parser of the framework may have read already. */
interface ParsedRequest extends IncomingMessage {
  readonly body?: unknown;
}

/**
 * Reads a JSON body, or takes the one that a body parser before us has read.
 *
 * @throws StreamKitError `unsupported_media_type`, `too_large`, `bad_request` (408 for a body that is too slow).
 */
export async function readJsonBody(request: ParsedRequest, clock: Clock): Promise<unknown> {
  checkContentType(request);
  const declaredBytes = Number(request.headers['content-length'] ?? 0);
  if (declaredBytes > MAX_BODY_BYTES) throw tooLarge(declaredBytes <= MAX_DRAINED_BYTES);
  // Parsers set `body` even when they left the stream alone, so only a stream that was read proves one.
  if (!request.readableDidRead) return parseJson(await readBytes(request, clock));
  const { body } = request;
  if (body === undefined) {
    throw new StreamKitError('internal', 'The body was read before this router, which left no parsed one');
  }
  if (typeof body === 'string') return parseJson(Buffer.from(body));
  return body instanceof Uint8Array ? parseJson(body) : body;
}

function checkContentType(request: IncomingMessage): void {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters.map((one) => one.trim()).find((one) => one.startsWith('charset='));
  const json = /^application\/(?:[\w.+-]+\+)?json$/.test(type.trim());
  if (!json || (charset !== undefined && !/^charset="?utf-?8"?$/.test(charset))) {
    throw new StreamKitError('unsupported_media_type', 'Expected a body of type application/json in UTF-8');
  }
  // A parser that has read the body has also decompressed it.
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity' && !request.readableDidRead) {
    throw new StreamKitError('unsupported_media_type', 'Expected a body without content encoding');
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (thrown) {
    throw new StreamKitError('bad_request', 'The body is not valid JSON', { cause: asError(thrown) });
  }
}

function tooLarge(keepConnection: boolean): StreamKitError {
  const headers: Record<string, string> = keepConnection ? {} : { Connection: 'close' };
  return new StreamKitError('too_large', `The body is larger than ${MAX_BODY_BYTES} bytes`, { headers });
}

/** @throws StreamKitError `too_large`, `bad_request` (408 for a body that is too slow). */
export function readBytes(request: IncomingMessage, clock: Clock): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = clock.after(BODY_TIMEOUT_MS, () => {
      const options = { status: 408, headers: { Connection: 'close' } };
      finish(new StreamKitError('bad_request', `The body took longer than ${BODY_TIMEOUT_MS} ms`, options));
    });
    const onData = (chunk: Buffer): void => {
      bytes += chunk.byteLength;
      if (bytes > MAX_BODY_BYTES) finish(tooLarge(false));
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish();
    const onLost = (): void => finish(new StreamKitError('bad_request', 'The request was aborted'));
    const finish = (error?: StreamKitError): void => {
      timer.cancel();
      request.off('data', onData).off('end', onEnd).off('close', onLost).off('error', onLost);
      if (error === undefined) resolve(Buffer.concat(chunks));
      else reject(error);
    };
    if (request.destroyed) onLost();
    else request.on('data', onData).on('end', onEnd).on('close', onLost).on('error', onLost);
  });
}
