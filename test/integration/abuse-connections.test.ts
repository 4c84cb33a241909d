import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { systemClock } from '../../src/clock.js';
import { fileResponse } from '../../src/http/file-response.js';
import { sendToNode } from '../../src/http/node-message.js';
import type { AbuseServer } from '../helpers/abuse-server.js';
import { startAbuseServer } from '../helpers/abuse-server.js';
import { RawClient, rawRequest } from '../helpers/raw-http.js';
import { ask } from '../helpers/router-server.js';

let server: AbuseServer;
let id: string;

beforeEach(async () => {
  server = await startAbuseServer();
  id = await server.liveSession();
});
afterEach(async () => {
  await server.close();
  expect(server.errors).toEqual([]);
});

const until = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: 5000, interval: 10 });

async function viewers(): Promise<number> {
  return (await ask(`${server.url}/${id}`)).json.metadata.viewers as number;
}

describe('requests on one connection', () => {
  it('that wait for an event stream before them go with the connection', async () => {
    const client = new RawClient(server.port);
    client.send(rawRequest(`GET /${id}/sse?media=none`).repeat(12));
    await until(async () => expect(await viewers()).toBe(12));
    client.close();
    await until(async () => expect(await viewers()).toBe(0));
  });

  it('that wait behind a file leave none open when the connection goes', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'abuse-'));
    const path = join(directory, 'file');
    await writeFile(path, Buffer.alloc(16 * 1024 * 1024));
    let answered = 0;
    const files = createServer((request, response) => {
      void fileResponse(path, undefined, {}).then((answer) => {
        sendToNode({ request, response, parsedBody: undefined }, answer, systemClock);
        answered += 1;
      });
    });
    await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
    const open = (): number => readdirSync('/proc/self/fd').length;
    const before = open();
    const client = new RawClient((files.address() as AddressInfo).port);
    client.socket.pause();
    client.send(rawRequest('GET /file').repeat(12));
    await until(() => expect(answered).toBe(12));
    expect(open()).toBeGreaterThanOrEqual(before + 12);
    client.close();
    await until(() => expect(open()).toBeLessThanOrEqual(before));
    await new Promise((resolve) => files.close(resolve));
    await rm(directory, { recursive: true });
  });
});

describe('an upgrade', () => {
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket'];
  const version = 'Sec-WebSocket-Version: 13';

  it.each([
    ['without a key', 'GET', [version], 400],
    ['with a key that is none', 'GET', [version, 'Sec-WebSocket-Key: short'], 400],
    ['of another version', 'GET', ['Sec-WebSocket-Version: 99', key], 400],
    ['with malformed protocols', 'GET', [version, key, 'Sec-WebSocket-Protocol: ,,'], 400],
    ['by another method', 'POST', [version, key], 405],
  ])('%s is refused as any other request is', async (_name, method, headers, status) => {
    const client = new RawClient(server.port);
    await client.send(rawRequest(`${method} /${id}/stream`, [...upgrade, ...headers])).untilEnd();
    const [answer] = client.answers;
    expect(answer?.status).toBe(status);
    expect(answer?.head).toMatch(/^content-type: application\/json/im);
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({
      error: { code: expect.stringMatching(/^[a-z_]+$/) },
    });
  });
});
