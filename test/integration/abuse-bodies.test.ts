import { connect, type Socket } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { bodyBudget, MAX_BODY_BYTES_IN_FLIGHT } from '../../src/http/body-budget.js';
import type { AbuseServer } from '../helpers/abuse-server.js';
import { startAbuseServer } from '../helpers/abuse-server.js';
import { until } from '../helpers/patience.js';
import { RawClient, rawRequest } from '../helpers/raw-http.js';
import { resourcesInUse } from '../helpers/resources.js';
import { postJson } from '../helpers/router-server.js';

const MIB = 2 ** 20;
const TARGET = { targetUrl: 'https://game.example.org/' };

let server: AbuseServer;
const sockets: Socket[] = [];

beforeEach(async () => {
  server = await startAbuseServer({
    maxSessions: 4,
    validateRequest: () => ({ authorized: true }),
    // Limits of a caller are another test's: here one caller stands for many.
    rateLimits: { openRequests: 100_000, joinsPerMinute: 100_000, sessionsPerMinute: 100_000 },
    ...{ maxViewersPerSession: 2000, maxViewersPerCaller: 2000 },
  });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
  expect(server.errors).toEqual([]);
  await until(() => expect(bodyBudget.bytes).toBe(0));
});

/** Sends the head of a body and a part of it, and keeps the connection. */
function halfSend(bytes: number): { answer: () => string } {
  let text = '';
  const socket = connect(server.port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined).on('data', (chunk) => (text += chunk.toString('latin1')));
  const length = MIB - 1;
  socket.write(
    `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`,
  );
  socket.write(Buffer.alloc(bytes, ' '));
  return { answer: () => text.slice(0, 12) };
}

describe('bodies', () => {
  it(
    'that are half sent hold bounded memory, and nobody else waits for them',
    { timeout: 60_000 },
    async () => {
      const clients = Array.from({ length: 300 }, () => halfSend(MIB - 100_000));
      await until(() =>
        expect(clients.filter(({ answer }) => answer() === 'HTTP/1.1 503').length).toBeGreaterThan(250),
      );
      expect(bodyBudget.bytes).toBeLessThanOrEqual(MAX_BODY_BYTES_IN_FLIGHT);
      expect((await postJson(server.url, TARGET)).status).toBe(201);
    },
  );

  it('of 2000 parallel requests make the sessions that there may be, and leave nothing', async () => {
    const before = await resourcesInUse();
    const answers = await Promise.all(Array.from({ length: 2000 }, () => postJson(server.url, TARGET)));
    const counts = new Map<number, number>();
    for (const { status } of answers) counts.set(status, (counts.get(status) ?? 0) + 1);
    expect([...counts].sort()).toEqual([
      [201, 4],
      [429, 1996],
    ]);
    answers.length = 0;
    await until(async () => {
      const { heapBytes } = await resourcesInUse();
      expect(heapBytes - before.heapBytes).toBeLessThan(64 * MIB);
    });
  });

  it('that nobody would take are not read: a full server answers before', async () => {
    for (let count = 0; count < 4; count++) await postJson(server.url, TARGET);
    const { answer } = halfSend(10);
    await until(() => expect(answer()).toBe('HTTP/1.1 429'));
    expect(bodyBudget.bytes).toBe(0);
  });
});

describe('event streams', () => {
  it(
    'that are idle cost at most 64 KiB each, this client of theirs among it',
    { timeout: 60_000 },
    async () => {
      const id = await server.liveSession();
      const open = async (count: number): Promise<void> => {
        const clients = Array.from({ length: count }, () =>
          new RawClient(server.port).send(rawRequest(`GET /${id}/sse?media=none`)),
        );
        sockets.push(...clients.map(({ socket }) => socket));
        await Promise.all(clients.map((client) => client.until((text) => text.includes('state_patch'))));
      };
      // What is made once is made by the first of them.
      await open(50);
      const bytes = async (): Promise<number> => {
        await resourcesInUse();
        const { heapUsed, external } = process.memoryUsage();
        return heapUsed + external;
      };
      const before = await bytes();
      await open(1000);
      expect(((await bytes()) - before) / 1000).toBeLessThan(64 * 1024);
    },
  );
});
