import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';

import { fromNode, sendToNode } from './node-message.js';
import type { Mount } from './request-handler.js';
import { belowMount, resolveTarget } from './request-target.js';

/** What is used of a Fastify request. */
export interface FastifyRequestLike {
  readonly raw: IncomingMessage;
  readonly originalUrl: string;
  readonly body: unknown;
}

/** What is used of a Fastify reply. */
export interface FastifyReplyLike {
  readonly raw: ServerResponse;
  hijack(): unknown;
  callNotFound(): unknown;
  getHeaders(): OutgoingHttpHeaders;
}

/** What is used of the Fastify instance that a plugin gets. */
export interface FastifyScope {
  readonly prefix: string;
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    type: string,
    parser: (request: unknown, payload: unknown, done: (error: Error | null) => void) => void,
  ): unknown;
  all(
    path: string,
    options: object,
    handler: (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<unknown>,
  ): unknown;
}

/** A plugin for Fastify 4 and 5, to be registered with a `prefix`. */
export type FastifyPlugin = (scope: FastifyScope, options: unknown, done: () => void) => void;

/** Makes the routes usable by Fastify. */
export function createFastifyPlugin({ basePath, handle, clock }: Mount): FastifyPlugin {
  return (scope, _options, done) => {
    const { prefix } = scope;
    const answer = async (request: FastifyRequestLike, reply: FastifyReplyLike): Promise<unknown> => {
      const { raw, body: parsedBody, originalUrl } = request;
      const exchange = { request: raw, response: reply.raw, parsedBody };
      const url = belowMount(raw.url ?? '/', prefix);
      const target = resolveTarget(url, originalUrl, basePath);
      const response = target && (await handle(fromNode(exchange, target, clock)));
      if (response === undefined) return reply.callNotFound();
      reply.hijack();
      // What hooks have set, such as those of CORS.
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        if (value !== undefined && !reply.raw.headersSent) reply.raw.setHeader(name, value);
      }
      sendToNode(exchange, response, clock);
      return reply;
    };
    // Bodies are read by the router, with its own limits and errors. A plugin is a scope: the application keeps its parsers.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    scope.all('/', {}, answer);
    scope.all('/*', {}, answer);
    done();
  };
}
