import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { StreamSessionState } from '../../src/protocol/state-document.js';
import { CLUSTER_SECRET } from '../helpers/cluster-node.js';
import { serverOf, startClusterServers } from '../helpers/cluster-servers.js';
import { freePort } from '../helpers/free-port.js';
import { PATIENCE_MS, until } from '../helpers/patience.js';
import { RedisServer } from '../helpers/redis-server.js';
import { ask, EventStreamClient, postJson } from '../helpers/router-server.js';
import type { ServerProcess } from '../helpers/server-process.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';
import { coloursSeenBy, serveVisits, watchColours } from '../helpers/visits-page.js';

describe.skipIf(!RedisServer.isInstalled)('a server that drains by moving, with viewers', () => {
  let folder: string;
  let redis: RedisServer;
  let pageUrl: string;
  let browser: ViewerBrowser;
  let servers: ServerProcess[] = [];
  const ends: (() => unknown)[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'moves-'));
    ends.push(() => rmSync(folder, { recursive: true }));
    redis = await RedisServer.start();
    ends.push(() => redis.stop());
    pageUrl = await serveVisits(ends);
    const ports = await Promise.all([0, 1].map(() => freePort()));
    servers = await startClusterServers({
      ...{ redisUrl: redis.url, ports, folder, ends },
      options: { profileDirectory: { path: join(folder, 'profiles'), key: CLUSTER_SECRET } },
      arguments: ['--drain-seconds', '120', '--drain-move'],
    });
    browser = await ViewerBrowser.launch();
    ends.push(() => browser.close());
  });

  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  });

  async function stateAt(server: ServerProcess, id: string): Promise<StreamSessionState> {
    return (await ask(`${server.origin}/stream/${id}`)).json as StreamSessionState;
  }

  const watch = (server: ServerProcess, id: string): Promise<Page> =>
    watchColours(browser, `${server.origin}/stream/${id}`);

  it(
    'shows the picture again to all of them, with what the page has stored',
    { timeout: 300_000 },
    async () => {
      const [first] = servers as [ServerProcess];
      const profile = { id: 'visitor', save: true };
      const { streamId: id } = await until(async () => {
        const request = { targetUrl: pageUrl, profile, renderOptions: { resolution: '320x180' } };
        const answer = await postJson(`${first.origin}/stream`, request);
        expect(answer.status).toBe(201);
        return answer.json as { streamId: string };
      });
      await expect
        .poll(async () => (await stateAt(first, id)).status, { timeout: 2 * PATIENCE_MS })
        .toBe('connecting');
      const { instanceInfo } = await stateAt(first, id);
      const source = serverOf(servers, instanceInfo?.pid ?? 0);
      const target = servers.find((server) => server !== source);
      if (source === undefined || target === undefined) throw new Error('No server has the browser');
      const pages = [await watch(source, id), await watch(target, id)];
      const events = await EventStreamClient.open(`${target.origin}/stream/${id}/sse?media=none`);
      await events.until(() => events.text.includes('"visits"'));
      const { metadata } = await stateAt(target, id);
      expect(metadata).toMatchObject({ restarts: 0, page: { visits: 1, cookie: '' } });

      const drainedAtMs = Date.now();
      const exited = once(source.child, 'exit');
      expect((await postJson(`${source.origin}/stream/admin/drain`, { move: true })).status).toBe(202);
      for (const [index, page] of pages.entries()) {
        await page.waitForFunction('window.seen.blueAtMs !== null', {
          polling: 100,
          timeout: 3 * PATIENCE_MS,
        });
        const { blueAtMs, errors, statuses } = await coloursSeenBy(page);
        const passedMs = (blueAtMs ?? 0) - drainedAtMs;
        const where = index === 0 ? 'at the source' : 'at the target';
        process.stdout.write(`A viewer ${where} has a picture after ${passedMs} ms\n`);
        expect(errors).toEqual([]);
        expect(statuses.slice(statuses.indexOf('reconnecting'))).toEqual(['reconnecting', 'connected']);
      }
      await events.untilEnd();
      const lastId = events.events.filter(({ event }) => event === 'state_patch').at(-1)?.id;
      const again = await EventStreamClient.open(`${target.origin}/stream/${id}/sse?media=none`, {
        headers: { 'last-event-id': String(lastId) },
      });
      await again.until(() => again.text.includes('"visited=yes"'));
      expect(Number(again.events.find(({ event }) => event === 'state_patch')?.id)).toBeGreaterThan(
        Number(lastId),
      );
      expect(await stateAt(target, id)).toMatchObject({
        ...{ streamId: id, status: 'streaming' },
        metadata: { restarts: 1, page: { visits: 2, cookie: 'visited=yes' } },
      });
      again.abort();
      // It has nothing left to do, and its viewers follow.
      source.child.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
      const ended = await ask(`${target.origin}/stream/${id}`, {
        method: 'DELETE',
        headers: { prefer: 'return=representation' },
      });
      // The profile is the target's to store by now.
      expect(ended.json).toMatchObject({ profile: { id: 'visitor', saved: true } });
    },
  );
});
