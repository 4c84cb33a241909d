import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import express from 'express';
import { afterEach, describe, expect, it } from 'vitest';

import { resolveOptions } from '../../../src/options/stream-kit-options.js';
import type { StreamKitRouter } from '../../../src/http/stream-kit-router.js';
import { composeRouter } from '../../../src/router.js';
import { ask, EventStreamClient, postJson, serveRouter } from '../../helpers/router-server.js';
import { FakeParts } from '../../helpers/session-fakes.js';

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function newRouter(): StreamKitRouter {
  const router = composeRouter(resolveOptions({}), new FakeParts());
  closing.push(() => router.close());
  return router;
}

async function listening(): Promise<Server> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return server;
}

/** The status of the answer to an upgrade. */
async function upgrade(server: Server, path: string, headers: Record<string, string> = {}): Promise<number> {
  const { port } = server.address() as AddressInfo;
  const request = httpRequest({
    ...{ host: '127.0.0.1', port, path },
    headers: { Connection: 'Upgrade', Upgrade: 'websocket', ...headers },
  });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode ?? 0;
}

const NOBODY = '/6a3e0c5e-0000-4000-8000-000000000000';

describe('upgrades', () => {
  it('that none of two routers takes are answered with 404', async () => {
    const server = await listening();
    const [one, other] = [newRouter(), newRouter()];
    one.attach(server, { path: '/one' });
    other.attach(server, { path: '/other' });
    expect(await upgrade(server, '/elsewhere')).toBe(404);
    expect(await upgrade(server, `/other${NOBODY}/stream`)).toBe(404);
    await one.close();
    expect(await upgrade(server, `/one${NOBODY}/stream`)).toBe(404);
    expect(server.listenerCount('upgrade')).toBe(1);
    await other.close();
    expect(server.listenerCount('upgrade')).toBe(0);
  });

  it('are taken once when a server is attached twice, and not after close', async () => {
    const server = await listening();
    const router = newRouter();
    const detach = router.attach(server);
    expect(router.attach(server)).toBe(detach);
    expect(server.listenerCount('upgrade')).toBe(1);
    detach();
    detach();
    expect(server.listenerCount('upgrade')).toBe(0);
    router.attach(server);
    await router.close();
    expect(server.listenerCount('upgrade')).toBe(0);
    expect(() => router.attach(server)).toThrow('closed');
  });

  it('to a name that is not of this machine are refused without validateRequest', async () => {
    const server = await listening();
    newRouter().attach(server);
    const { port } = server.address() as AddressInfo;
    const headers = { host: `evil.test:${port}`, origin: `http://evil.test:${port}` };
    expect(await upgrade(server, `${NOBODY}/stream`, headers)).toBe(403);
    expect(await upgrade(server, `${NOBODY}/stream`)).toBe(404);
  });
});

describe('a wildcard route of Express 5', () => {
  it.each([
    ['all', '/stream{/*rest}'],
    ['all', '/stream/*rest'],
    ['use', '/stream/*rest'],
    ['use', '/stream{/*rest}'],
  ] as const)('app.%s(%j) answers every kind of request', async (method, path) => {
    const validateRequest = () => ({ authorized: true, callerId: 'a' });
    const server = await serveRouter({ validateRequest }, (router) => {
      const app = express();
      // A wildcard that is not optional does not match the mount point itself.
      app.use('/create', router);
      return method === 'all' ? app.all(path, router) : app.use(path, router);
    });
    closing.push(() => server.close());
    const create = { targetUrl: 'https://game.example.org/' };
    const base = path.includes('{') ? '/stream' : '/create';
    const created = await postJson(server.url + base, create);
    expect([created.status, created.json?.error]).toEqual([201, undefined]);
    const url = `${server.url}/stream/${created.json.streamId}`;
    expect((await ask(url)).json.streamId).toBe(created.json.streamId);
    const events = await EventStreamClient.open(`${url}/sse?media=none`);
    expect(await events.signal('viewer')).toMatchObject({ role: 'viewer' });
    events.abort();
    expect((await ask(url, { method: 'DELETE' })).status).toBe(204);
  });
});
