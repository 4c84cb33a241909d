import { addAbortSignal, Readable } from 'node:stream';

import type { Clock } from '../base/clock.js';
import { bodyChunks } from './body-chunks.js';
import type { HttpRequest, HttpResponse } from './http-message.js';
import type { RequestBody } from './json-body.js';
import { readJsonBody } from './json-body.js';
import { ReadableEventStream } from './readable-event-stream.js';
import type { Mount } from './request-handler.js';
import { notFoundResponse } from './request-handler.js';
import type { RequestTarget } from './request-target.js';
import { resolveTarget } from './request-target.js';
import { readTextBody } from './text-body.js';

/** What a web-standard request does not say of itself. */
export interface FetchConnection {
  /** IP address of the other end of the connection. Anything else counts as not known. */
  readonly remoteAddress?: string | undefined;
}

/**
 * A handler of web-standard requests. Never rejects. Without an address all callers that `validateRequest` does not name
 * share one rate limit.
 */
export type FetchHandler = (request: Request, connection?: FetchConnection) => Promise<Response>;

/** Makes the routes usable by web-standard hosts. */
export function createFetchHandler({ basePath, handle, clock }: Mount): FetchHandler {
  return async (request, connection) => {
    const target = resolveTarget(request.url, request.url, basePath);
    const answer = target && (await handle(fromFetch(request, connection, target, clock)));
    return toFetch(request, answer ?? notFoundResponse(), clock);
  };
}

function fromFetch(
  request: Request,
  connection: FetchConnection | undefined,
  target: RequestTarget,
  clock: Clock,
): HttpRequest {
  // Hosts hand things of their own to a handler that they call themselves.
  const remoteAddress: unknown = connection?.remoteAddress;
  const headers: Record<string, string> = Object.fromEntries(request.headers);
  // Hosts that take it off have put it into the URL.
  headers.host ??= URL.canParse(request.url) ? new URL(request.url).host : '';
  const withBody = async <T>(read: (body: RequestBody) => Promise<T>): Promise<T> => {
    const unread = request.bodyUsed ? undefined : bodyOf(request);
    try {
      return await read({ headers, unread, parsed: undefined });
    } finally {
      unread?.destroy();
    }
  };
  return {
    ...target,
    method: request.method,
    headers,
    native: request,
    remoteAddress: typeof remoteAddress === 'string' ? remoteAddress : undefined,
    get aborted() {
      return request.signal.aborted;
    },
    readJson: () => withBody((body) => readJsonBody(body, clock)),
    readText: (mediaType) => withBody((body) => readTextBody(body, mediaType, clock)),
    readChunks: async function* (maxBytes) {
      const unread = request.bodyUsed ? undefined : bodyOf(request);
      try {
        yield* bodyChunks({ headers, unread, parsed: undefined }, maxBytes, clock);
      } finally {
        unread?.destroy();
      }
    },
  };
}

/** The global types are the DOM's or Node's, whatever the application compiles with, and those do not fit each other. */
type WebReadable = Parameters<typeof Readable.fromWeb>[0];
type ResponseBody = ConstructorParameters<typeof Response>[0];

function bodyOf(request: Request): Readable {
  const body: unknown = request.body;
  const readable = body === null ? Readable.from([]) : Readable.fromWeb(body as WebReadable);
  // A client that goes away after the body was given up is no news.
  return readable.on('error', () => undefined);
}

function toFetch(request: Request, response: HttpResponse, clock: Clock): Response {
  const { status, body, events, stream } = response;
  const headers = new Headers(response.headers);
  // The connection is the host's, and web-standard ones speak HTTP/2 as well, which has no such header.
  headers.delete('Connection');
  if (stream?.bytes !== undefined) headers.set('Content-Length', String(stream.bytes));
  else if (body !== undefined) headers.set('Content-Length', String(Buffer.byteLength(body)));
  if (request.method === 'HEAD') {
    stream?.content.destroy();
    return new Response(null, { status, headers });
  }
  if (stream !== undefined) {
    const content: unknown = Readable.toWeb(stream.content);
    // A host may drop the body of a client that has gone without cancelling it. Only now does the stream have somebody
    // who hears its error.
    addAbortSignal(request.signal, stream.content);
    return new Response(content as ResponseBody, { status, headers });
  }
  if (events === undefined) {
    const content: unknown = body ?? null;
    return new Response(content as ResponseBody, { status, headers });
  }
  const eventStream = new ReadableEventStream(request.signal, clock);
  events(eventStream);
  return new Response(eventStream.readable, { status, headers });
}
