import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';

import type { Clock } from '../base/clock.js';
import { asError, StreamKitError } from '../base/errors.js';
import { bodyBudget } from './body-budget.js';
import type { HttpRequest } from './http-message.js';

/** Largest request body, bytes. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** How long a client may take to send its body, ms. */
export const BODY_TIMEOUT_MS = 10_000;
/**
 * A body that is too large, but not larger than this, is read and dropped, so that the connection and with it the
 * answer survive; beyond it the connection is closed.
 */
const MAX_DRAINED_BYTES = 8 * MAX_BODY_BYTES;

/** The body of a request, and what a body parser before us may have made of it. */
export interface RequestBody {
  readonly headers: IncomingHttpHeaders;
  /** Undefined where something before us has read it. Ours is not to close it: the answer may need the connection. */
  readonly unread: Readable | undefined;
  /** What a parser has left. Parsers set it even when they left the body alone, so it counts only for one that was read. */
  readonly parsed: unknown;
}

/**
 * Reads a JSON body, or takes the one that a body parser before us has read.
 *
 * @throws StreamKitError `unsupported_media_type`, `too_large`, `bad_request` (408 for a body that is too slow).
 */
export async function readJsonBody({ headers, unread, parsed }: RequestBody, clock: Clock): Promise<unknown> {
  checkContentType(headers, unread !== undefined);
  checkLength(headers, MAX_BODY_BYTES);
  if (unread !== undefined) return parseJson(await readBytes(unread, MAX_BODY_BYTES, clock));
  if (parsed === undefined) {
    throw new StreamKitError('internal', 'The body was read before this router, which left no parsed one');
  }
  if (typeof parsed === 'string') return parseJson(Buffer.from(parsed));
  return parsed instanceof Uint8Array ? parseJson(parsed) : parsed;
}

function checkContentType(headers: IncomingHttpHeaders, isUnread: boolean): void {
  const [type = '', ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters.map((one) => one.trim()).find((one) => one.startsWith('charset='));
  const json = /^application\/(?:[\w.+-]+\+)?json$/.test(type.trim());
  if (!json || (charset !== undefined && !/^charset="?utf-?8"?$/.test(charset))) {
    throw new StreamKitError('unsupported_media_type', 'Expected a body of type application/json in UTF-8');
  }
  // A parser that has read the body has also decompressed it.
  if (isUnread && (headers['content-encoding'] ?? 'identity') !== 'identity') {
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

/** @throws StreamKitError `too_large`, by what the headers say. */
export function checkLength(headers: IncomingHttpHeaders, maxBytes: number): void {
  const declaredBytes = Number(headers['content-length'] ?? 0);
  if (declaredBytes > maxBytes) throw tooLarge(maxBytes, declaredBytes <= MAX_DRAINED_BYTES);
}

export function tooLarge(maxBytes: number, keepConnection: boolean): StreamKitError {
  const headers: Record<string, string> = keepConnection ? {} : { Connection: 'close' };
  return new StreamKitError('too_large', `The body is larger than ${maxBytes} bytes`, { headers });
}

/** @throws StreamKitError `too_large`, `bad_request` (408 for a body that is too slow), `at_capacity` (503). */
export function readBytes(request: Readable, maxBytes: number, clock: Clock): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = clock.after(BODY_TIMEOUT_MS, () => {
      const options = { status: 408, headers: { Connection: 'close' } };
      finish(new StreamKitError('bad_request', `The body took longer than ${BODY_TIMEOUT_MS} ms`, options));
    });
    const reservation = bodyBudget.open((error) => finish(error));
    const onData = (chunk: Buffer): void => {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) finish(tooLarge(maxBytes, false));
      else {
        chunks.push(chunk);
        reservation.add(chunk.byteLength);
      }
    };
    const onEnd = (): void => finish();
    const onLost = (): void => finish(new StreamKitError('bad_request', 'The request was aborted'));
    const finish = (error?: StreamKitError): void => {
      timer.cancel();
      reservation.release();
      request.off('data', onData).off('end', onEnd).off('close', onLost).off('error', onLost);
      if (error === undefined) resolve(Buffer.concat(chunks));
      else reject(error);
    };
    if (request.destroyed) onLost();
    else request.on('data', onData).on('end', onEnd).on('close', onLost).on('error', onLost);
  });
}

/** Where everything has a default, a request without a body is one without wishes. */
export function readOptionalJson(request: Pick<HttpRequest, 'headers' | 'readJson'>): Promise<unknown> {
  const { headers } = request;
  const isEmpty = headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
  return isEmpty ? Promise.resolve({}) : request.readJson();
}
