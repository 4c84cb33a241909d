import type { Socket } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { AbuseServer } from '../helpers/abuse-server.js';
import { startAbuseServer } from '../helpers/abuse-server.js';
import { RawClient, rawRequest } from '../helpers/raw-http.js';
import { ask } from '../helpers/router-server.js';

const MIB = 1024 * 1024;

let server: AbuseServer;
let sockets: Socket[];
let clients: RawClient[];
let id: string;

beforeEach(async () => {
  server = await startAbuseServer({
    ...{ maxViewersPerSession: 2000, viewerReattachMs: 0, stateUpdateInterval: 10 },
  });
  sockets = [];
  clients = [];
  server.server.on('connection', (socket) => sockets.push(socket));
  id = await server.liveSession();
});
afterEach(async () => {
  for (const client of clients) client.close();
  await server.close();
  expect(server.errors).toEqual([]);
});

/** Opens event streams, one of which takes nothing from its first patch on. */
async function watch(count: number): Promise<{ stalled: RawClient; others: RawClient[] }> {
  clients = Array.from({ length: count + 1 }, () => new RawClient(server.port));
  for (const client of clients) client.send(rawRequest(`GET /${id}/sse?media=none`));
  await Promise.all(clients.map((client) => client.until((text) => text.includes('id: '))));
  const [stalled, ...others] = clients;
  if (stalled === undefined) throw new Error('There is no client');
  stalled.socket.pause();
  return { stalled, others };
}

/** What the page sets; resolves with the ms that it took to the last of these clients. */
async function tell(value: Record<string, unknown>, others: readonly RawClient[]): Promise<number> {
  const mark = `"mark-${String(value.mark)}"`;
  const started = performance.now();
  for (const client of others) client.text = '';
  server.parts.launches.at(-1)?.listener.onPageMetadata({ ...value, mark: mark.slice(1, -1) }, 0);
  await Promise.all(others.map((client) => client.until((text) => text.includes(mark))));
  return performance.now() - started;
}

describe('event streams, one of which takes nothing', () => {
  it('are a thousand, and have every patch as soon as without it', { timeout: 120_000 }, async () => {
    const { stalled, others } = await watch(1000);
    const times = { with: [] as number[], without: [] as number[] };
    for (let mark = 0; mark < 10; mark++) {
      const now = mark % 2 === 0 ? 'with' : 'without';
      if (now === 'with') stalled.socket.pause();
      else stalled.socket.resume();
      times[now].push(await tell({ mark, text: 'x'.repeat(1000) }, others));
    }
    const median = (values: number[]): number => values.sort((a, b) => a - b)[2] ?? NaN;
    // How long a thousand take is up to the machine; what one client does must not show.
    expect(median(times.with)).toBeLessThan(3 * median(times.without));
  });

  it('are sent what is far beyond its backlog, which stays bounded, and it catches up in the end', async () => {
    const { stalled, others } = await watch(10);
    let waiting = 0;
    for (let mark = 0; mark < 160; mark++) {
      await tell({ mark, text: String(mark).repeat(20_000) }, others);
      waiting = Math.max(waiting, ...sockets.map(({ writableLength }) => writableLength));
    }
    expect(waiting).toBeGreaterThan(MIB);
    expect(waiting).toBeLessThan(1.25 * MIB);
    stalled.text = '';
    stalled.socket.resume();
    // Not what it has missed, but the whole as it is now.
    await stalled.until((text) => text.includes('"mark-159"'));
    expect(stalled.text).toMatch(/"op":"replace","path":"","value":.*"mark-159"/s);
    expect(stalled.text).not.toContain('"mark-150"');
    expect((await ask(`${server.url}/${id}`)).json.metadata.viewers).toBe(11);
  });
});
