import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { TestServer } from '../helpers/test-server.js';

/** A service of this machine that pages must not reach: what came, by the path that names the way. */
const reached = new Set<string>();
const victim = createServer((request, response) => {
  reached.add((request.url ?? '').slice(1));
  response.writeHead(200, { 'Access-Control-Allow-Origin': '*' }).end();
});
victim.on('upgrade', (request, socket) => {
  reached.add((request.url ?? '').slice(1));
  socket.destroy();
});
const udp = createSocket('udp4');
let datagrams = 0;
udp.on('message', () => datagrams++);

beforeAll(async () => {
  victim.listen(0, '127.0.0.1');
  await once(victim, 'listening');
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
});

beforeEach(() => {
  reached.clear();
  datagrams = 0;
});

afterAll(() => {
  victim.closeAllConnections();
  victim.close();
  udp.close();
});

/** What the page tried, while it is being captured like any other. */
async function attack(server: TestServer): Promise<string[]> {
  const { port } = victim.address() as AddressInfo;
  const query = `victim=${port}&udp=${udp.address().port}`;
  const session = await server.create(`${server.origin}/fixtures/hostile.html?${query}`);
  const { metadata, status } = await server.state(
    session,
    (state) => state.metadata.page?.tried !== undefined,
  );
  expect(status).toBe('connecting');
  expect((await fetch(`${session.url}/snapshot`)).status).toBe(200);
  return metadata.page.tried as string[];
}

/** Ways that send no HTTP. */
const UDP_WAYS = ['stun', 'candidate', 'webtransport'];

test('a page reaches the machine it runs on by none of many ways, and only because of the policy', async () => {
  const closed = await TestServer.start({
    targetPolicy: { allowPrivateAddresses: (_address, port) => String(port) === new URL(closed.origin).port },
  });
  try {
    await attack(closed);
    expect([...reached]).toEqual([]);
    expect(datagrams).toBe(0);
  } finally {
    await closed.close();
  }

  const open = await TestServer.start();
  try {
    const tried = await attack(open);
    const ways = tried.filter((way) => !UDP_WAYS.includes(way));
    // What is a document has an icon besides.
    reached.delete('favicon.ico');
    expect([...reached].sort()).toEqual(ways.sort());
    expect(datagrams).toBeGreaterThan(0);
  } finally {
    await open.close();
  }
});

test('a target on this machine is refused at once, and one whose name leads there when it is resolved', async () => {
  const server = await TestServer.start({ targetPolicy: {} });
  try {
    for (const url of [server.page(''), 'http://localhost/', 'http://[::1]/', 'http://0x7f.1/']) {
      await expect(server.create(url), url).rejects.toThrow('bad_target_url');
    }
    // This machine's own name resolves to an address of its own, or to none.
    const session = await server.create('http://stream-kit-test.internal/');
    const { error } = await server.state(session, ({ status }) => status === 'error');
    expect(error).toMatch(/The page could not be loaded: (dns_error|destination_ip_prohibited)\./);
  } finally {
    await server.close();
  }
});
