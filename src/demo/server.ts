import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';

import express, { type Express } from 'express';

import { createStreamKitRouter, type StreamKitOptions, type StreamKitRouter } from '../index.js';
import { isOwnAddress } from '../egress/own-address.js';
import { terminalOffer } from './host-access.js';

/** Options of {@link createDemoServer}. */
export interface DemoServerOptions {
  /** Options of the router that is mounted at `/stream`. Default: 1280 x 720 and the router's own defaults. */
  router?: StreamKitOptions;
  /** Directory of the built package, with `client/` and `demo/` in it. Default: the one this module is in. */
  distDirectory?: string;
}

/** The demo: the router, the viewer page, and a scene to be rendered. */
export interface DemoServer {
  readonly app: Express;
  readonly server: Server;
  readonly router: StreamKitRouter;
  /**
   * Listens and tells the address, such as `http://127.0.0.1:3001`.
   *
   * @param port - 0 for any that is free.
   */
  listen(port: number, host: string): Promise<string>;
  /** Ends every session and every connection. Idempotent. */
  close(): Promise<void>;
}

/** Puts the pages and the router together. Nothing listens yet. */
export function createDemoServer(options: DemoServerOptions = {}): DemoServer {
  const distDirectory = options.distDirectory ?? resolve(import.meta.dirname, '..');
  const publicDirectory = join(distDirectory, 'demo/public');
  const app = express();
  const server = createServer(app);
  const router = createStreamKitRouter({
    defaultViewport: { width: 1280, height: 720 },
    // The scene comes from this very server.
    targetPolicy: {
      allowPrivateAddresses: (address, port) => {
        const bound = server.address() as AddressInfo | null;
        return port === bound?.port && isOwnAddress(address);
      },
    },
    files: { uploads: true, downloads: true },
    ...options.router,
  });
  router.attach(server, { path: '/stream' });
  app.disable('x-powered-by');
  app.use('/stream', router);
  app.use((_request, response, next) => {
    response.set({ 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer' });
    next();
  });
  const offers = { terminal: terminalOffer(options.router ?? {}) };
  app.get('/demo.json', (_request, response) => void response.set('Cache-Control', 'no-cache').json(offers));
  for (const [path, page] of [
    ['/', 'index.html'],
    ['/terminal/', 'terminal/index.html'],
  ] as const) {
    const contentSecurityPolicy = policyFor(readFileSync(join(publicDirectory, page), 'utf8'));
    app.get(path, (_request, response, next) => {
      response.set('Content-Security-Policy', contentSecurityPolicy);
      next();
    });
  }
  app.use('/client', files(join(distDirectory, 'client')));
  app.use('/page', files(join(distDirectory, 'demo/page')));
  // What the page's modules take of the contract.
  app.use('/protocol', files(join(distDirectory, 'protocol')));
  app.use(files(publicDirectory));
  let closing: Promise<void> | undefined;
  return {
    app,
    server,
    router,
    listen: (port, host) => listen(server, port, host),
    close: () => (closing ??= close(server, router)),
  };
}

/** Nothing but files: no listing, no dotfiles. Browsers ask each time whether a file has changed. */
function files(directory: string): ReturnType<typeof express.static> {
  return express.static(directory, {
    dotfiles: 'ignore',
    redirect: true,
    setHeaders: (response) => response.setHeader('Cache-Control', 'no-cache'),
  });
}

/** Everything from this origin, and of inline scripts only the page's own import map, if any, which cannot be a file. */
function policyFor(html: string): string {
  const importMap = /<script type="importmap">([\s\S]*?)<\/script>/.exec(html)?.[1];
  const hashes =
    importMap === undefined ? [] : [`'sha256-${createHash('sha256').update(importMap).digest('base64')}'`];
  return [
    "default-src 'self'",
    ["script-src 'self'", ...hashes].join(' '),
    "media-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function listen(server: Server, port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const { address, family, port: bound } = server.address() as AddressInfo;
      resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`);
    });
  });
}

/** Sessions go first, so that viewers are told before their connections are cut. */
async function close(server: Server, router: StreamKitRouter): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  await router.close();
  server.closeAllConnections();
  await closed;
}
