import { readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import { fileResponse } from '../../src/http/file-response.js';
import { BODY_TIMEOUT_MS } from '../../src/http/json-body.js';
import { sendToNode } from '../../src/http/node-message.js';
import type { AbuseServer } from '../helpers/abuse-server.js';
import { startAbuseServer } from '../helpers/abuse-server.js';
import { until } from '../helpers/patience.js';
import { RawClient, rawRequest } from '../helpers/raw-http.js';
import { resourcesInUse } from '../helpers/resources.js';
import { ask, postJson, serveRouter } from '../helpers/router-server.js';
import { seededRandom } from '../helpers/seeded-random.js';
import { SEED } from '../helpers/seed.js';

let server: AbuseServer;
let sockets: Socket[];
let id: string;

beforeEach(async () => {
  server = await startAbuseServer({ viewerReattachMs: 0 });
  sockets = [];
  server.server.on('connection', (socket) => sockets.push(socket));
  id = await server.liveSession();
});
afterEach(async () => {
  await server.close();
  expect(server.errors).toEqual([]);
});

async function viewers(): Promise<number> {
  return (await ask(`${server.url}/${id}`)).json.metadata.viewers as number;
}

function leadsTo(descriptor: string, path: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`) === path;
  } catch {
    return false;
  }
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
      void fileResponse(path, undefined, (error) => error, {}).then((answer) => {
        sendToNode({ request, response, parsedBody: undefined }, answer, systemClock);
        answered += 1;
      });
    });
    await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
    const open = (): number => readdirSync('/proc/self/fd').filter((fd) => leadsTo(fd, path)).length;
    const client = new RawClient((files.address() as AddressInfo).port);
    client.socket.pause();
    client.send(rawRequest('GET /file').repeat(12));
    await until(() => expect(answered).toBe(12));
    expect(open()).toBe(12);
    client.close();
    await until(() => expect(open()).toBe(0));
    await new Promise((resolve) => files.close(resolve));
    await rm(directory, { recursive: true });
  });
});

describe('a connection', () => {
  it('carries ten thousand requests and leaves nothing of them', async () => {
    const client = new RawClient(server.port);
    const some =
      rawRequest(`GET /${id}`) + rawRequest('GET /nothing/here/at/all') + rawRequest(`HEAD /${id}/sse`);
    const get = rawRequest(`GET /${id}/whep`);
    let heap = 0;
    for (let round = 0; round < 25; round++) {
      client.text = '';
      client.send((some + get).repeat(100));
      await client.until((text) => text.split('HTTP/1.1 ').length === 401);
      if (round === 4) heap = (await resourcesInUse()).heapBytes;
    }
    expect((await resourcesInUse()).heapBytes - heap).toBeLessThan(4 * 1024 * 1024);
    expect(await viewers()).toBe(0);
    const [socket] = sockets;
    for (const event of socket?.eventNames() ?? []) expect(socket?.listenerCount(event)).toBeLessThan(5);
    client.close();
  });

  it('that is half closed, or half open, ends its event stream', async () => {
    const closed = new RawClient(server.port);
    closed.send(rawRequest(`GET /${id}/sse?media=none`));
    await until(async () => expect(await viewers()).toBe(1));
    closed.socket.end();
    await closed.untilEnd();
    await until(async () => expect(await viewers()).toBe(0));
    closed.close();
  });

  const bodies: [string, string[], string][] = [
    ['two lengths', ['Content-Length: 2', 'Content-Length: 3'], '{}'],
    ['a length and chunks', ['Content-Length: 2', 'Transfer-Encoding: chunked'], '2\r\n{}\r\n0\r\n\r\n'],
    ['a length that is none', ['Content-Length: 1e3'], '{}'],
    ['a chunk whose size is none', ['Transfer-Encoding: chunked'], 'zz\r\n{}\r\n'],
    ['more than its length', ['Content-Type: application/json', 'Content-Length: 2'], '{}{}{}{}'],
    ['more than it may', ['Content-Type: application/json', 'Content-Length: 99999999999'], '{'],
    [
      'chunks of more than it may',
      ['Content-Type: application/json', 'Transfer-Encoding: chunked'],
      `${(2 ** 21).toString(16)}\r\n${' '.repeat(2 ** 21)}\r\n`,
    ],
    ['less than its length', ['Content-Type: application/json', 'Content-Length: 9'], '{}'],
  ];
  it.each(bodies)('with a body of %s is answered with 4xx or ended', async (_name, headers, body) => {
    for (const path of ['/', `/${id}/signal`, `/${id}/recordings`, `/${id}/whep`]) {
      const client = new RawClient(server.port);
      client.send(rawRequest(`POST ${path}`, headers, body));
      client.socket.end();
      await client.untilEnd();
      for (const { status } of client.answers) expect([400, 404, 408, 413, 415, 422]).toContain(status);
      client.close();
    }
    expect((await ask(`${server.url}/${id}`)).status).toBe(200);
  });

  it('is told to go on with a body that is expected, and its body is cut off where it is too slow', async () => {
    // On a clock of the test's own.
    const played = await serveRouter();
    const { url, parts } = played;
    const created = await postJson(url, { targetUrl: 'https://game.example.org/' });
    const session = `/${created.json.streamId}`;
    const before = parts.clock.pendingTimers;
    const clients = ['/', `${session}/signal`, `${session}/whep`].map((path) => {
      const type = path.endsWith('whep') ? 'application/sdp' : 'application/json';
      const headers = [`Content-Type: ${type}`, 'Content-Length: 100', 'Expect: 100-continue'];
      return new RawClient(Number(new URL(url).port)).send(rawRequest(`POST ${path}`, headers));
    });
    for (const client of clients) {
      await client.until((text) => text.startsWith('HTTP/1.1 100 Continue'));
      client.send('{');
    }
    await until(() => expect(parts.clock.pendingTimers).toBe(before + clients.length));
    await parts.clock.advance(BODY_TIMEOUT_MS);
    for (const client of clients) {
      await client.untilEnd();
      expect(client.text).toContain('HTTP/1.1 408 ');
      client.close();
    }
    await played.close();
  });
});

describe('a WebSocket', () => {
  const handshake = [
    ...['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  /** Masked, as those of clients are, with zeros. */
  const frame = (opcode: number, payload: Buffer, final = true): Buffer => {
    const { length } = payload;
    const size =
      length < 126
        ? [0x80 | length]
        : [
            0x80 | 127,
            ...new Array<number>(4).fill(0),
            length >>> 24,
            (length >>> 16) & 0xff,
            (length >>> 8) & 0xff,
            length & 0xff,
          ];
    return Buffer.concat([Buffer.from([(final ? 0x80 : 0) | opcode, ...size, 0, 0, 0, 0]), payload]);
  };
  const open = async (): Promise<RawClient> => {
    const client = new RawClient(server.port).send(rawRequest(`GET /${id}/stream`, handshake));
    return client.until((text) => text.includes('"type":"state"'));
  };

  it.each([
    ['pings', frame(9, Buffer.alloc(125))],
    ['messages that are none', frame(1, Buffer.from('x'.repeat(100)))],
    ['requests for pictures', frame(1, Buffer.from('{"type":"snapshot-request"}'))],
  ])('whose client floods it with %s and takes nothing costs bounded memory', async (_name, message) => {
    const client = await open();
    client.socket.pause();
    const block = Buffer.concat(new Array<Buffer>(2000).fill(message));
    let most = 0;
    for (
      let sent = 0;
      sent < 4 * 1024 * 1024 && !client.ended && !client.socket.destroyed;
      sent += block.length
    ) {
      if (!client.socket.write(block)) await new Promise((resolve) => setTimeout(resolve, 1));
      most = Math.max(most, ...sockets.map(({ writableLength }) => writableLength));
      if (client.socket.writableLength > 8 * 1024 * 1024) break;
    }
    client.socket.resume();
    expect(most).toBeLessThan(6 * 1024 * 1024);
    client.close();
    await until(async () => expect(await viewers()).toBe(0));
  });

  it('survives whatever its messages are', async () => {
    const random = seededRandom(SEED);
    const texts = [
      '{"type":"resume","lastSeq":0}',
      '{"type":"snapshot-request"}',
      '{"type":"pointer","x":1}',
      '[]',
      'null',
    ];
    const junk = [null, -1, 1.5, 2 ** 60, '1', {}, [], true, 'x'.repeat(1000)];
    for (let round = 0; round < 20; round++) {
      const client = await open();
      for (let i = 0; i < 50; i++) {
        const text = Buffer.from(
          random() < 0.5
            ? JSON.stringify({ type: 'resume', lastSeq: junk[Math.floor(random() * junk.length)] })
            : (texts[Math.floor(random() * texts.length)] ?? ''),
        );
        if (random() < 0.3) text[Math.floor(random() * text.length)] = Math.floor(random() * 256);
        client.send(frame(random() < 0.9 ? 1 : Math.floor(random() * 16), text, random() < 0.9));
      }
      client.send(frame(8, Buffer.from([3, 232])));
      await client.untilEnd();
      client.close();
    }
    await until(async () => expect(await viewers(), `seed ${SEED}`).toBe(0));
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
