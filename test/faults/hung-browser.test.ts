import { afterEach, expect, test } from 'vitest';

import { until } from '../helpers/patience.js';
import { resourcesInUse } from '../helpers/resources.js';
import { EventStreamClient } from '../helpers/router-server.js';
import { processesOfSessions } from '../helpers/session-processes.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';

const MIB = 2 ** 20;
const JOINS = 30;

let server: TestServer;
let stopped: number[] = [];

afterEach(async () => {
  for (const pid of stopped.splice(0)) {
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // The session has ended it.
    }
  }
  await server.close();
});

/** A viewer that is offered media and goes without an answer. */
async function joinAndLeave(session: CreatedSession): Promise<void> {
  const client = await EventStreamClient.open(`${session.url}/sse`);
  await client.signal('sdp_offer');
  client.abort();
  await client.untilEnd();
}

async function viewersLeft(session: CreatedSession): Promise<void> {
  await until(async () => {
    const { viewers } = (await (await fetch(`${session.url}/diagnostics`)).json()) as { viewers: unknown[] };
    expect(viewers).toEqual([]);
  });
}

test('viewers that join and leave while the browser hangs leave nothing behind', async () => {
  server = await TestServer.start({ viewerReattachMs: 0, rateLimits: false });
  const session = await server.create(server.page('mode=counter'));
  await server.state(session, ({ status }) => status === 'connecting');
  for (let join = 0; join < JOINS; join++) await joinAndLeave(session);
  await viewersLeft(session);
  stopped = processesOfSessions()
    .filter(({ role }) => role !== 'session process')
    .map(({ pid }) => pid);
  for (const pid of stopped) process.kill(pid, 'SIGSTOP');
  const before = await resourcesInUse();
  for (let join = 0; join < JOINS; join++) await joinAndLeave(session);
  await viewersLeft(session);
  await until(async () => {
    const { heapBytes } = await resourcesInUse();
    expect(heapBytes - before.heapBytes).toBeLessThan(2 * MIB);
  });
  expect(await server.delete(session)).toBe(204);
  expect(processesOfSessions().filter(({ pid }) => stopped.includes(pid))).toEqual([]);
});
