import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { StreamSessionState } from '../../src/protocol/state-document.js';
import { serverOf, startClusterServers } from '../helpers/cluster-servers.js';
import { freePort } from '../helpers/free-port.js';
import { PATIENCE_MS, until } from '../helpers/patience.js';
import { RedisServer } from '../helpers/redis-server.js';
import { ask, postJson } from '../helpers/router-server.js';
import type { ServerProcess } from '../helpers/server-process.js';
import { SfuServer } from '../helpers/sfu-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';
import { coloursSeenBy, serveVisits, watchColours } from '../helpers/visits-page.js';

/** Nodes that send viewers beyond the first one to an SFU, and one session that moves from one node to the other. */
describe.skipIf(!RedisServer.isInstalled)(
  'a session that moves while viewers get their media elsewhere',
  () => {
    let servers: ServerProcess[] = [];
    let pageUrl: string;
    let browser: ViewerBrowser;
    const ends: (() => unknown)[] = [];

    beforeAll(async () => {
      const folder = mkdtempSync(join(tmpdir(), 'overflow-moves-'));
      ends.push(() => rmSync(folder, { recursive: true }));
      const pion = await SfuServer.pion();
      ends.push(() => pion.close());
      const redis = await RedisServer.start();
      ends.push(() => redis.stop());
      pageUrl = await serveVisits(ends);
      const elsewhere = JSON.stringify({ kind: 'whep', url: `${pion.origin}/whep` });
      servers = await startClusterServers({
        ...{ redisUrl: redis.url, ports: [await freePort(), await freePort()], folder, ends },
        options: { publications: { targets: { allowPrivateAddresses: true } } },
        source: `overflow: { when: { viewers: 1 }, publish: '${pion.origin}/whip', play: () => (${elsewhere}) }`,
        arguments: ['--drain-seconds', '120'],
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

    const transportOf = (page: Page): Promise<unknown> =>
      page.evaluate(`document.querySelector('stream-view').connection.transport`);

    it(
      'is published again from where it is, and one viewer is served directly, the other from there',
      { timeout: 300_000 },
      async () => {
        const [first] = servers as [ServerProcess];
        const { streamId: id } = await until(async () => {
          const request = { targetUrl: pageUrl, renderOptions: { resolution: '320x180' } };
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
        // Those who stay: nodes that drain take no requests after a while.
        const pages = [await watch(target, id), await watch(target, id)];
        expect(await Promise.all(pages.map(transportOf))).toEqual(['webrtc', 'overflow']);

        const drainedAtMs = Date.now();
        expect((await postJson(`${source.origin}/stream/admin/drain`, { move: true })).status).toBe(202);
        for (const page of pages) {
          await page.waitForFunction('window.seen.blueAtMs !== null', {
            polling: 100,
            timeout: 3 * PATIENCE_MS,
          });
          const { blueAtMs, errors } = await coloursSeenBy(page);
          process.stdout.write(
            `By ${String(await transportOf(page))}: a picture after ${(blueAtMs ?? 0) - drainedAtMs} ms\n`,
          );
          expect(errors).toEqual([]);
        }
        await expect
          .poll(async () => (await Promise.all(pages.map(transportOf))).map(String).sort(), {
            timeout: 2 * PATIENCE_MS,
          })
          .toEqual(['overflow', 'webrtc']);
        const { status, metadata } = await stateAt(target, id);
        expect(status).toBe('streaming');
        expect(metadata).toMatchObject({ restarts: 1, publications: [{ status: 'live' }] });
      },
    );
  },
);
