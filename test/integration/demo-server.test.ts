import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../src/base/logger.js';
import { createDemoServer, type DemoServer } from '../../src/demo/server.js';
import { root } from '../helpers/product.js';

let server: DemoServer;
let origin: string;

beforeEach(async () => {
  server = createDemoServer({
    router: { logger: silentLogger, listenAddress: '127.0.0.1' },
    distDirectory: join(root, 'dist'),
  });
  origin = await server.listen(0, '127.0.0.1');
});

afterEach(() => server.close());

/** The status that a page of `host` gets, which has pointed its name to this machine. */
async function answered(method: string, path: string, headers: Record<string, string>): Promise<number> {
  const request = httpRequest(`${origin}${path}`, { method, headers });
  request.end(method === 'POST' ? '{"targetUrl":"https://game.example.org/"}' : undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode ?? 0;
}

describe('the stand-alone server without options', () => {
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
  const json = { 'content-type': 'application/json' };
  const stream = '/stream/6a3e0c5e-0000-4000-8000-000000000000/stream';

  it('answers no page whose name was pointed to this machine', async () => {
    const { port } = new URL(origin);
    for (const name of ['evil.test', 'localhost.evil.test', '127.0.0.1.evil.test']) {
      const headers = { host: `${name}:${port}`, origin: `http://${name}:${port}` };
      expect(await answered('POST', '/stream', { ...headers, ...json })).toBe(403);
      expect(await answered('GET', '/stream', headers)).toBe(403);
      expect(await answered('GET', stream, { ...headers, ...upgrade })).toBe(403);
    }
    expect(server.router.sessions.list()).toEqual([]);
  });

  it('answers a client of this machine', async () => {
    expect(await answered('GET', '/stream', {})).toBe(200);
    expect(await answered('GET', stream, upgrade)).toBe(404);
  });
});
