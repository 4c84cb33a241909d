import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';

import type { Clock } from '../clock.js';
import { StreamKitError } from '../errors.js';
import { errorResponse } from './error-response.js';
import type { HttpRequest, HttpResponse } from './http-message.js';
import { readJsonBody } from './json-body.js';
import type { RequestHandler } from './request-handler.js';
import { ResponseEventStream } from './response-event-stream.js';
import { readTextBody } from './text-body.js';

/** A handler for `node:http`, Connect, Express 4 and 5, and whatever else has Node's requests and responses. */
export type NodeHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => Promise<void>;

/** A request of Connect or Express: they take the mount path off `url` and keep the whole one here. */
interface MountedRequest extends IncomingMessage {
  readonly originalUrl?: string;
}

/**
 * Makes a request handler usable by Node's frameworks.
 *
 * @param basePath - begins with a slash and ends without one; empty for the root.
 */
export function createNodeHandler(basePath: string, handle: RequestHandler, clock: Clock): NodeHandler {
  return async (nodeRequest, nodeResponse, next) => {
    const request = toHttpRequest(nodeRequest, nodeResponse, basePath, clock);
    const response = request === undefined ? undefined : await handle(request);
    if (response !== undefined) send(nodeRequest, nodeResponse, response, clock);
    else if (next !== undefined) next();
    else {
      const notFound = new StreamKitError('not_found', 'There is nothing at this path');
      send(nodeRequest, nodeResponse, errorResponse(notFound), clock);
    }
  };
}

function toHttpRequest(
  request: MountedRequest,
  response: ServerResponse,
  basePath: string,
  clock: Clock,
): HttpRequest | undefined {
  const [fullPath, search] = splitUrl(request.url ?? '/');
  if (fullPath !== basePath && !fullPath.startsWith(`${basePath}/`)) return undefined;
  const path = fullPath.slice(basePath.length);
  return {
    method: request.method ?? 'GET',
    path: path === '' ? '/' : path,
    query: new URLSearchParams(search),
    headers: request.headers,
    prefix: `${mountPath(request, fullPath)}${basePath}`,
    native: request,
    get aborted() {
      return response.destroyed || response.writableEnded;
    },
    readJson: () => readJsonBody(request, clock),
    readText: (mediaType) => readTextBody(request, mediaType, clock),
  };
}

/** Path and query of a request target: `/path?query`, or the absolute form that proxies send. */
function splitUrl(url: string): readonly [path: string, search: string] {
  const target = url.replace(/^https?:\/\/[^/?#]*/i, '');
  const at = target.indexOf('?');
  return at === -1 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)];
}

/** What the framework has taken off the path, so that `Location` is a path the client can use. */
function mountPath(request: MountedRequest, path: string): string {
  const [original] = splitUrl(request.originalUrl ?? request.url ?? '/');
  const mount = original.endsWith(path) ? original.slice(0, original.length - path.length) : original;
  // Two slashes at the start would name another host.
  return mount.replace(/\/+$/, '').replace(/^\/+/, '/');
}

function send(
  nodeRequest: IncomingMessage,
  nodeResponse: ServerResponse,
  response: HttpResponse,
  clock: Clock,
): void {
  // A framework's own timeout may have answered meanwhile.
  if (nodeResponse.headersSent) {
    response.stream?.content.destroy();
    return;
  }
  nodeResponse.statusCode = response.status;
  for (const [name, value] of Object.entries(response.headers)) {
    // HTTP/2 has no such header and refuses it.
    if (name === 'Connection' && nodeRequest.httpVersionMajor >= 2) continue;
    nodeResponse.setHeader(name, value);
  }
  const { body, events, stream } = response;
  if (stream !== undefined) {
    nodeResponse.setHeader('Content-Length', stream.bytes);
    if (nodeRequest.method === 'HEAD') {
      stream.content.destroy();
      nodeResponse.end();
      // A read that fails in the middle cuts the connection: the length tells the client.
    } else pipeline(stream.content, nodeResponse, () => undefined);
    return;
  }
  if (events === undefined || nodeRequest.method === 'HEAD') {
    if (body !== undefined) nodeResponse.setHeader('Content-Length', Buffer.byteLength(body));
    nodeResponse.end(nodeRequest.method === 'HEAD' ? undefined : body);
    return;
  }
  nodeResponse.flushHeaders();
  events(new ResponseEventStream(nodeResponse, clock));
}
