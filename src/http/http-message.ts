import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';

import type { EventSink } from '../session/event-sink.js';
import type { RequestTarget } from './request-target.js';

/** A request as its host made it: Node's, an `express.Request` under Express; a web-standard one for `fetch`. */
export type NativeRequest = IncomingMessage | Request;

/** A request as the routes see it, whatever framework it came through. */
export interface HttpRequest extends RequestTarget {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** For `validateRequest`. */
  readonly native: NativeRequest;
  /** Of the other end of the connection, which may be a proxy; undefined where the host does not tell. */
  readonly remoteAddress: string | undefined;
  /** The client has gone away. */
  readonly aborted: boolean;
  /**
   * Reads the body as JSON.
   *
   * @throws StreamKitError `unsupported_media_type`, `too_large`, `bad_request`.
   */
  readJson(): Promise<unknown>;
  /**
   * Reads the body as a text of one media type.
   *
   * @throws StreamKitError `unsupported_media_type`, `too_large`, `bad_request`.
   */
  readText(mediaType: string): Promise<string>;
  /**
   * Reads the body piece by piece, whatever its media type.
   *
   * @throws StreamKitError `unsupported_media_type`, `too_large`, `bad_request`.
   */
  readChunks(maxBytes: number): AsyncIterable<Uint8Array>;
}

/** What of a request is looked at to decide about it. */
export type AccessRequest = Pick<HttpRequest, 'native' | 'headers' | 'query' | 'remoteAddress'>;

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /**
   * A body that is read as it is sent. It is destroyed when the client goes away. Without a number of bytes it goes on until it
   * ends, which may be never.
   */
  readonly stream?: { readonly bytes: number | undefined; readonly content: Readable };
  /** Makes the response an event stream; called when its head has been sent. */
  readonly events?: (sink: EventSink) => void;
}

/** The state of a session is never what a cache should keep. */
const NO_STORE = { 'Cache-Control': 'no-store' } as const;

export function jsonResponse(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...NO_STORE, ...headers },
    body: JSON.stringify(value),
  };
}

export function emptyResponse(status: number, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return { status, headers: { ...NO_STORE, ...headers } };
}

/** `no-transform` and `X-Accel-Buffering` keep proxies from holding events back. */
export function eventStreamResponse(events: (sink: EventSink) => void): HttpResponse {
  return {
    status: 200,
    headers: {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-cache, no-transform',
      'X-Accel-Buffering': 'no',
    },
    events,
  };
}
