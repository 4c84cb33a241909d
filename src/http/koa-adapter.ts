import type { IncomingMessage, ServerResponse } from 'node:http';

import type { HttpResponse } from './http-message.js';
import type { NodeExchange } from './node-message.js';
import { fromNode, headersFor, sendToNode } from './node-message.js';
import type { Mount } from './request-handler.js';
import { resolveTarget } from './request-target.js';

/** What is used of a Koa context. */
export interface KoaContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** The request target before `koa-mount` took the path of the mount point off it. */
  readonly originalUrl: string;
  /** Body parsers put `body` here. */
  readonly request: object;
  url: string;
  status: number;
  body: unknown;
  respond?: boolean;
  set(headers: Record<string, string>): void;
  vary(header: string): void;
}

/** Middleware for Koa 2 and 3. What the router has no route for goes to `next`. */
export type KoaMiddleware = (context: KoaContext, next: () => Promise<unknown>) => Promise<void>;

/** Makes the routes usable by Koa. */
export function createKoaMiddleware({ basePath, handle, clock }: Mount): KoaMiddleware {
  return async (context, next) => {
    const { req, res, request } = context;
    const parsedBody: unknown = 'body' in request ? request.body : undefined;
    const exchange: NodeExchange = { request: req, response: res, parsedBody };
    const target = resolveTarget(context.url, context.originalUrl, basePath);
    const answer = target && (await handle(fromNode(exchange, target, clock)));
    if (answer === undefined) {
      await next();
    } else if (answer.events !== undefined || answer.stream !== undefined) {
      // Koa would hold the stream in a buffer of its own, where what a slow client has not taken is not seen.
      context.respond = false;
      sendToNode(exchange, answer, clock);
    } else respond(context, answer);
  };
}

/** Leaves the answer to Koa, so that middleware in front can compress, log and change it. */
function respond(context: KoaContext, { status, headers, body }: HttpResponse): void {
  context.status = status;
  const { Vary: vary, ...others } = headersFor(context.req, headers);
  context.set(others);
  // What middleware in front lets the answer depend on, it still depends on.
  if (vary !== undefined) context.vary(vary);
  // Koa takes bytes for such only in a Buffer; and makes a 204 of an answer without any, which one to HEAD may be.
  if (body !== undefined) context.body = typeof body === 'string' ? body : Buffer.from(body);
  else context.body = status === 204 ? null : Buffer.alloc(0);
}
