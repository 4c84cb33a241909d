import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

import { type HttpBindings, serve } from '@hono/node-server';
import { bodyParser } from '@koa/bodyparser';
import { Hono } from 'hono';
import { compress } from 'hono/compress';
import Koa from 'koa';
import koaCompress from 'koa-compress';
import { afterAll, beforeAll, expect, test } from 'vitest';

import type { StreamKitRouter } from '../../src/index.js';
import { product, root } from '../helpers/product.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

let router: StreamKitRouter;
let browser: ViewerBrowser;
const servers: Server[] = [];

beforeAll(async () => {
  router = product.createStreamKitRouter({
    basePath: '/stream',
    listenAddress: '127.0.0.1',
    targetPolicy: { allowPrivateAddresses: true },
    defaultViewport: { width: 640, height: 360 },
    maxSessions: 4,
  });
  browser = await ViewerBrowser.launch();
});

afterAll(async () => {
  await router.close();
  await browser.close();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** What the viewer's browser and the rendered page load beside the stream. */
async function asset(path: string): Promise<{ type: string; body: string }> {
  const types: Record<string, string> = {
    '.html': 'text/html',
    '.js': 'text/javascript',
    '.mjs': 'text/javascript',
  };
  const folder = path.startsWith('/vendor/') ? 'node_modules' : 'test';
  if (path === '/favicon.ico') return { type: 'image/x-icon', body: '' };
  const file = join(root, folder, path.replace('/vendor/', '/'));
  return { type: types[extname(path)] ?? 'text/plain', body: await readFile(file, 'utf8') };
}

async function originOf(server: Server): Promise<string> {
  servers.push(server);
  if (!server.listening) await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function openHono(): Promise<string> {
  const application = new Hono();
  application.use(compress());
  application.all('/stream/*', (context) =>
    router.fetch(context.req.raw, {
      remoteAddress: (context.env as HttpBindings).incoming.socket.remoteAddress,
    }),
  );
  application.get('*', async (context) => {
    const { type, body } = await asset(context.req.path);
    return context.body(body, 200, { 'content-type': type });
  });
  return originOf(serve({ fetch: application.fetch, port: 0, hostname: '127.0.0.1' }) as Server);
}

function openKoa(): Promise<string> {
  const application = new Koa();
  application.use(koaCompress());
  application.use(bodyParser());
  application.use(router.koa());
  application.use(async (context) => {
    const { type, body } = await asset(context.path);
    Object.assign(context, { type, body });
  });
  return originOf(createServer(application.callback() as RequestListener).listen(0, '127.0.0.1'));
}

test('one session plays in Chromium through Hono and through Koa', async () => {
  const [hono, koa] = await Promise.all([openHono(), openKoa()]);
  const created = await fetch(`${hono}/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ targetUrl: `${koa}/fixtures/page.html?mode=counter` }),
  });
  expect(created.status).toBe(201);
  const path = created.headers.get('location') ?? '';
  const id = path.replace('/stream/', '');
  const viewers = [];
  for (const origin of [hono, koa]) {
    const viewer = await browser.open({ origin });
    await viewer.connect({ id, url: `${origin}${path}` });
    await viewer.firstPicture();
    const counters = await viewer.read<number[]>('readCounters(5)');
    expect(counters).toEqual([...counters].sort((a, b) => a - b));
    viewers.push(viewer);
  }
  const both = viewers.map((viewer) => viewer.until('viewer.document.metadata.viewers === 2'));
  await Promise.all(both);
  expect((await fetch(`${koa}${path}`, { method: 'DELETE' })).status).toBe(204);
  const told = viewers.map((viewer) => viewer.until(`viewer.signals.includes('closed')`));
  await Promise.all(told);
});
