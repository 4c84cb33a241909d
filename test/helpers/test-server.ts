import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import express from 'express';

import type { StreamKitOptions, StreamKitRouter } from '../../src/index.js';
import { Contract } from './contract.js';
import { PATIENCE_MS } from './patience.js';
import { product, root } from './product.js';

export interface CreatedSession {
  readonly id: string;
  /** Absolute URL of the session's routes. */
  readonly url: string;
}

/** Packages that the fixtures load from `/vendor`. */
const VENDORED = ['fast-json-patch', 'whip-whep', '@eyevinn/webrtc-player', 'events', 'livekit-client'];

/** An Express application with the router at `/stream` and the fixtures beside it, on a free port of 127.0.0.1. */
export class TestServer {
  readonly origin: string;
  readonly errors: Error[] = [];
  readonly http: Server;
  readonly router: StreamKitRouter;
  readonly #contract: Contract;

  private constructor(server: Server, origin: string, router: StreamKitRouter, basePath: string) {
    this.http = server;
    this.origin = origin;
    this.router = router;
    this.#contract = new Contract().watch(server, `/stream${basePath}`);
  }

  static async start(options: StreamKitOptions = {}): Promise<TestServer> {
    const errors: Error[] = [];
    const router = product.createStreamKitRouter({
      listenAddress: '127.0.0.1',
      targetPolicy: { allowPrivateAddresses: true },
      defaultViewport: { width: 640, height: 360 },
      maxSessions: 4,
      // A test of rungs asks for them: on a busy machine an estimate may fall, and all viewers are to get the same.
      maxRungs: 1,
      onError: (error) => void errors.push(error),
      ...options,
    });
    const application = express();
    application.use('/stream', (request, response, next) => void router(request, response, next));
    application.use('/fixtures', express.static(join(root, 'test', 'fixtures')));
    application.use('/client', express.static(join(root, 'dist', 'client')));
    application.get('/redirect', ({ query }, response) => response.redirect(query.to as string));
    application.get('/status/:status', ({ params }, response) => {
      if (params.status === '401') response.set('www-authenticate', 'Basic realm="test"');
      response.status(Number(params.status)).end();
    });
    application.get('/attachment', ({ query }, response) => {
      response.set('content-disposition', query.disposition as string).send('attached');
    });
    for (const name of VENDORED) {
      application.use(`/vendor/${name}`, express.static(join(root, 'node_modules', name)));
    }
    const server = createServer(application);
    router.attach(server, { path: '/stream' });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const started = new TestServer(server, `http://127.0.0.1:${port}`, router, options.basePath ?? '');
    started.errors.push(...errors);
    return started;
  }

  /** URL of the fixture page. */
  page(query: string): string {
    return `${this.origin}/fixtures/page.html?${query}`;
  }

  async create(
    targetUrl: string,
    renderOptions: object = {},
    initialData?: unknown,
  ): Promise<CreatedSession> {
    const response = await fetch(`${this.origin}/stream/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ targetUrl, renderOptions, initialData }),
    });
    const body = (await response.json()) as { streamId: string };
    if (response.status !== 201) throw new Error(`POST answered ${response.status}: ${JSON.stringify(body)}`);
    return { id: body.streamId, url: `${this.origin}/stream/${body.streamId}` };
  }

  /** Polls the state until `accept` likes it. */
  async state(
    session: CreatedSession,
    accept: (state: any) => boolean,
    timeoutMs = PATIENCE_MS,
  ): Promise<any> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const state: any = await (await fetch(session.url)).json();
      if (accept(state)) return state;
      if (performance.now() > deadline) throw new Error(`the state stayed ${JSON.stringify(state)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async delete(session: CreatedSession): Promise<number> {
    return (await fetch(session.url, { method: 'DELETE' })).status;
  }

  /** @throws Error if it did not keep to docs/openapi.json. */
  async close(): Promise<void> {
    await this.router.close();
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
    this.#contract.assert();
  }
}
