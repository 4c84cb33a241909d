import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createRequire } from 'node:module';
import type { AddressInfo, Server } from 'node:net';

import { type HttpBindings, serve } from '@hono/node-server';
import { bodyParser } from '@koa/bodyparser';
import compression from 'compression';
import connect from 'connect';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { compress as honoCompress } from 'hono/compress';
import Koa from 'koa';
import koaCompress from 'koa-compress';
import koaMount from 'koa-mount';

import type { StreamKitRouter } from '../../src/http/stream-kit-router.js';
import { openHttp2Fetch } from './http2-fetch.js';

/** What is used of it has the types of version 5. */
const express4 = createRequire(import.meta.url)('express4') as typeof express;

/** What players send, as a text body parser in front would have to be told. */
const PLAYER_TYPES = ['application/sdp', 'application/trickle-ice-sdpfrag'];

/** What the router must be made with. */
export const HOST_OPTIONS = { basePath: '/live' } as const;

/** A framework with the router in it, behind its own body parser and compression, on a free port of 127.0.0.1. */
export interface Host {
  readonly origin: string;
  /** Of the router's routes, absolute. */
  readonly url: string;
  readonly fetch: typeof fetch;
  close(): Promise<void>;
}

export const HOSTS: Readonly<Record<string, (router: StreamKitRouter) => Promise<Host>>> = {
  'Express 5': (router) =>
    host(
      '/api/live',
      express()
        .use(compression({ threshold: 0 }))
        .use(express.json())
        .use(express.text({ type: PLAYER_TYPES }))
        .use('/api', router),
    ),
  'Express 4': (router) => {
    const application = express4()
      .use(compression({ threshold: 0 }))
      .use(express4.json());
    return host('/api/live', application.use('/api', router));
  },
  Connect: (router) => {
    const application = connect();
    application.use(compression({ threshold: 0 }) as connect.NextHandleFunction);
    application.use('/api', (request, response, next) => void router(request, response, next));
    return host('/api/live', application);
  },
  'node:http': (router) => host('/live', (request, response) => void router(request, response)),
  'node:http2': async (router) => {
    const server = createHttp2Server((request, response) => void router(request, response));
    const sessions = new Set<{ destroy(): void }>();
    server.on('session', (session) => void sessions.add(session));
    const opened = await listen(server, '/live');
    const client = openHttp2Fetch(opened.origin);
    return {
      ...opened,
      fetch: client.fetch,
      close: async () => {
        client.close();
        for (const session of sessions) session.destroy();
        await opened.close();
      },
    };
  },
  Koa: (router) => {
    const application = new Koa();
    application.use(async (context, next) => {
      await next();
      context.set('x-late', 'yes');
    });
    application.use(koaCompress({ threshold: 0 }));
    application.use(bodyParser({ enableTypes: ['json', 'text'], extendTypes: { text: PLAYER_TYPES } }));
    application.use(koaMount('/api', new Koa().use(router.koa())));
    return host('/api/live', listenerOf(application));
  },
  'Koa without a mount': (router) => {
    const application = new Koa().use(bodyParser()).use(router.koa());
    return host('/live', listenerOf(application));
  },
  Fastify: async (router) => {
    const application = fastify();
    application.addHook('onRequest', (_request, reply, done) => {
      reply.header('x-hook', 'yes');
      done();
    });
    application.register(router.fastify(), { prefix: '/:tenant/v1' });
    application.post('/echo', (request) => request.body);
    await application.listen({ port: 0, host: '127.0.0.1' });
    const { port } = application.server.address() as AddressInfo;
    const origin = `http://127.0.0.1:${port}`;
    return {
      origin,
      url: `${origin}/acme/v1/live`,
      fetch,
      close: async () => {
        application.server.closeAllConnections();
        await application.close();
      },
    };
  },
  Hono: (router) => {
    const application = new Hono();
    application.use(honoCompress());
    application.all('/live/*', (context) =>
      router.fetch(context.req.raw, {
        remoteAddress: (context.env as HttpBindings).incoming.socket.remoteAddress,
      }),
    );
    return listen(serve({ fetch: application.fetch, port: 0, hostname: '127.0.0.1' }), '/live');
  },
};

function listenerOf(application: Pick<Koa, 'callback'>): RequestListener {
  const handle = application.callback();
  return (request, response) => void handle(request, response);
}

function host(path: string, listener: RequestListener): Promise<Host> {
  return listen(createServer(listener).listen(0, '127.0.0.1'), path);
}

async function listen(server: Server, path: string): Promise<Host> {
  if (server.address() === null) {
    if (!server.listening) server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    url: `${origin}${path}`,
    fetch,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      if ('closeAllConnections' in server) (server.closeAllConnections as () => void)();
      await closed;
    },
  };
}
