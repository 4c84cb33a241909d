import { type KeyObject, randomUUID } from 'node:crypto';

import { StreamKitError } from '../base/errors.js';
import { prefersEventStream } from '../http/accept-header.js';
import { type HttpRequest, type HttpResponse, jsonResponse } from '../http/http-message.js';
import type { RouteCall } from '../http/route-handler.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import type { ClusterDirectory } from './directory.js';
import { directoryName } from './directory-name.js';

export interface IdempotentCreationParameters {
  /** What keeps the keys. */
  readonly directory: Pick<ClusterDirectory, 'reserve' | 'settle' | 'abandon'>;
  /** Of the cluster. */
  readonly secret: KeyObject;
  /** What a request is answered again that has created a session. */
  readonly createdBefore: (call: RouteCall, streamId: string) => Promise<HttpResponse>;
}

/** The header of draft-ietf-httpapi-idempotency-key-header. @throws StreamKitError `bad_request`. */
export function idempotencyKey({ headers }: Pick<HttpRequest, 'headers'>): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(key)) {
    throw new StreamKitError('bad_request', 'Expected 1 to 256 printable characters for Idempotency-Key');
  }
  return key;
}

/** The same request; its body has been read. */
export function withBody(request: HttpRequest, body: unknown): HttpRequest {
  return Object.create(request, { readJson: { value: () => Promise.resolve(body) } }) as HttpRequest;
}

/** The answer to a request that has created this session before. */
export function createdAnswer(
  { prefix }: Pick<HttpRequest, 'prefix'>,
  streamId: string,
  initialState: Readonly<StreamSessionState>,
): HttpResponse {
  return jsonResponse(201, { streamId, initialState }, { Location: `${prefix}/${streamId}` });
}

/** The session that a request has created; undefined if it has created none. */
export function createdId({ status, headers }: HttpResponse): string | undefined {
  return status === 201 ? headers.Location?.split('/').at(-1) : undefined;
}

/** Creates one session for the requests of one caller with one key. */
export class IdempotentCreation {
  readonly #parameters: IdempotentCreationParameters;

  constructor(parameters: IdempotentCreationParameters) {
    this.#parameters = parameters;
  }

  /**
   * @param key - what {@link idempotencyKey} gives.
   * @param create - makes the session, for the first request.
   * @throws StreamKitError `bad_request` for an event stream, `conflict` while the first request is answered, `unprocessable` for
   * another body, `unavailable` where the keys cannot be reached.
   */
  async answer(
    key: string,
    call: RouteCall,
    body: unknown,
    create: () => Promise<HttpResponse>,
  ): Promise<HttpResponse> {
    if (prefersEventStream(call.request.headers.accept)) {
      throw new StreamKitError('bad_request', 'Expected no Idempotency-Key with an event stream');
    }
    const { directory, secret, createdBefore } = this.#parameters;
    const scopedKey = directoryName(secret, `${call.caller.key}\n${key}`);
    const fingerprint = directoryName(secret, JSON.stringify(body));
    const token = randomUUID();
    const reservation = await this.#reserve(scopedKey, token);
    if (reservation.state === 'pending') {
      const headers = { 'Retry-After': '1' };
      throw new StreamKitError('conflict', 'A request with this Idempotency-Key is being answered', {
        headers,
      });
    }
    if (reservation.state === 'done') {
      if (reservation.fingerprint !== fingerprint) {
        throw new StreamKitError('unprocessable', 'This Idempotency-Key came with another body before');
      }
      return createdBefore(call, reservation.streamId);
    }
    let streamId: string | undefined;
    try {
      const response = await create();
      streamId = createdId(response);
      if (streamId !== undefined) {
        // If it is not kept, the session was created all the same: the client must be told its id.
        await directory.settle(scopedKey, token, { fingerprint, streamId }).catch(() => undefined);
      }
      return response;
    } finally {
      // What was not created may be asked for again.
      if (streamId === undefined) void directory.abandon(scopedKey, token).catch(() => undefined);
    }
  }

  async #reserve(key: string, token: string): ReturnType<ClusterDirectory['reserve']> {
    try {
      return await this.#parameters.directory.reserve(key, token);
    } catch (cause) {
      const message = 'The directory of the cluster cannot be reached: no session can be created';
      throw new StreamKitError('unavailable', message, { headers: { 'Retry-After': '1' }, cause });
    }
  }
}
