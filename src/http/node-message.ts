import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream';

import type { Clock } from '../base/clock.js';
import { bodyChunks } from './body-chunks.js';
import type { HttpRequest, HttpResponse } from './http-message.js';
import type { RequestBody } from './json-body.js';
import { readJsonBody } from './json-body.js';
import { hearOfLostConnection } from './queued-response.js';
import type { RequestTarget } from './request-target.js';
import { isGone, ResponseEventStream } from './response-event-stream.js';
import { readTextBody } from './text-body.js';

/** Node's request and the response to it. */
export interface NodeExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What a body parser has left. */
  readonly parsedBody: unknown;
}

/** A request of Node as the routes see it. */
export function fromNode(exchange: NodeExchange, target: RequestTarget, clock: Clock): HttpRequest {
  const { request, response, parsedBody } = exchange;
  const body = (): RequestBody => ({
    headers: request.headers,
    unread: request.readableDidRead ? undefined : request,
    parsed: parsedBody,
  });
  return {
    ...target,
    method: request.method ?? 'GET',
    headers: request.headers,
    native: request,
    // Stand-ins for a request that some hosts make have no socket.
    remoteAddress: (request.socket as Socket | undefined)?.remoteAddress,
    get aborted() {
      return isGone(response) || response.writableEnded;
    },
    readJson: () => readJsonBody(body(), clock),
    readText: (mediaType) => readTextBody(body(), mediaType, clock),
    readChunks: (maxBytes) => bodyChunks(body(), maxBytes, clock),
  };
}

/** The headers of an answer as its connection takes them: HTTP/2 has no `Connection`, and refuses it. */
export function headersFor(
  request: IncomingMessage,
  headers: HttpResponse['headers'],
): Record<string, string> {
  const usable: Record<string, string> = { ...headers };
  if (request.httpVersionMajor >= 2) delete usable.Connection;
  return usable;
}

/** Answers with what the routes have given. */
export function sendToNode(
  { request, response: nodeResponse }: NodeExchange,
  response: HttpResponse,
  clock: Clock,
): void {
  // A framework's own timeout may have answered meanwhile.
  if (nodeResponse.headersSent || isGone(nodeResponse)) {
    response.stream?.content.destroy();
    return;
  }
  nodeResponse.statusCode = response.status;
  for (const [name, value] of Object.entries(headersFor(request, response.headers))) {
    // What middleware in front lets the answer depend on, it still depends on.
    const before = name === 'Vary' ? nodeResponse.getHeader(name) : undefined;
    nodeResponse.setHeader(name, before === undefined ? value : `${String(before)}, ${value}`);
  }
  const { body, events, stream } = response;
  if (stream !== undefined || events !== undefined) hearOfLostConnection(request, nodeResponse);
  if (stream !== undefined) {
    if (stream.bytes !== undefined) nodeResponse.setHeader('Content-Length', stream.bytes);
    if (request.method === 'HEAD') {
      stream.content.destroy();
      nodeResponse.end();
      // A read that fails in the middle cuts the connection: the length tells the client.
    } else {
      if (stream.bytes === undefined) {
        // An event stream of another node, for which holds what does for one of this.
        if (request.httpVersionMajor < 2) {
          nodeResponse.socket?.setTimeout(0);
          nodeResponse.socket?.setNoDelay(true);
        }
        nodeResponse.flushHeaders();
      }
      pipeline(stream.content, nodeResponse, () => undefined);
    }
    return;
  }
  if (events === undefined || request.method === 'HEAD') {
    if (body !== undefined) nodeResponse.setHeader('Content-Length', Buffer.byteLength(body));
    nodeResponse.end(request.method === 'HEAD' ? undefined : body);
    return;
  }
  nodeResponse.flushHeaders();
  events(new ResponseEventStream(nodeResponse, clock));
}
