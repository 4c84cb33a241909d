import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';

import { fromNode, sendToNode } from './node-message.js';
import type { Mount } from './request-handler.js';
import { notFoundResponse } from './request-handler.js';
import { belowWildcard, resolveTarget, type WildcardRequest } from './request-target.js';

/** A handler for `node:http`, `node:http2`, Connect, Express 4 and 5, and whatever else has Node's requests. */
export type NodeHandler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  next?: (error?: unknown) => void,
) => Promise<void>;

/** What Connect and Express add to a request, and body parsers for them. */
interface FrameworkRequest extends IncomingMessage, Omit<WildcardRequest, 'url'> {
  /** They take the mount path off `url` and keep the whole one here. */
  readonly originalUrl?: string;
  readonly body?: unknown;
}

/** Makes the routes usable by Node's servers and frameworks. */
export function createNodeHandler({ basePath, handle, clock }: Mount): NodeHandler {
  return async (nodeRequest, nodeResponse, next) => {
    // The compatibility API of HTTP/2 has what is used of both.
    const request = nodeRequest as FrameworkRequest;
    const exchange = { request, response: nodeResponse as ServerResponse, parsedBody: request.body };
    const url = belowWildcard(request);
    const target = resolveTarget(url, request.originalUrl ?? url, basePath);
    const answer = target && (await handle(fromNode(exchange, target, clock)));
    if (answer === undefined && next !== undefined) next();
    else sendToNode(exchange, answer ?? notFoundResponse(), clock);
  };
}
