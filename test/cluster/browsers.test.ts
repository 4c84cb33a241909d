import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { serverOf, startClusterServers } from '../helpers/cluster-servers.js';
import { freePort } from '../helpers/free-port.js';
import { HaproxyServer } from '../helpers/haproxy-server.js';
import { PATIENCE_MS, until } from '../helpers/patience.js';
import { RedisServer } from '../helpers/redis-server.js';
import { ask, EventStreamClient, postJson } from '../helpers/router-server.js';
import type { ServerProcess } from '../helpers/server-process.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

describe.skipIf(!RedisServer.isInstalled || !HaproxyServer.isInstalled)('three servers that render', () => {
  let folder: string;
  let redis: RedisServer;
  let haproxy: HaproxyServer;
  let servers: ServerProcess[] = [];
  let browser: ViewerBrowser;
  /** Of all that has started. */
  const ends: (() => unknown)[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cluster-'));
    ends.push(() => rmSync(folder, { recursive: true }));
    redis = await RedisServer.start();
    ends.push(() => redis.stop());
    const ports = await Promise.all([0, 1, 2].map(() => freePort()));
    servers = await startClusterServers({
      redisUrl: redis.url,
      ports,
      folder,
      options: { health: true },
      ends,
    });
    haproxy = await HaproxyServer.start(ports);
    ends.push(() => haproxy.stop());
    browser = await ViewerBrowser.launch();
    ends.push(() => browser.close());
  });

  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  });

  /** Creates a session, and waits until its page is there. A server that has just come does not know its cluster yet. */
  async function create(at: string, targetUrl: string): Promise<string> {
    const { streamId } = await until(async () => {
      const answer = await postJson(at, { targetUrl, renderOptions: { resolution: '320x180' } });
      expect(answer.status).toBe(201);
      return answer.json as { streamId: string };
    });
    await expect
      .poll(async () => (await ask(`${at}/${streamId}`)).json, { timeout: 2 * PATIENCE_MS })
      .toMatchObject({ status: 'connecting' });
    return streamId;
  }

  async function watch(url: string): Promise<Page> {
    const page = await browser.browser.newPage();
    await page.goto(`${url}/view`);
    await page.waitForFunction(
      `(() => {
        const video = document.querySelector('stream-view')?.shadowRoot?.querySelector('video');
        return video?.videoWidth > 0 && video.currentTime > 0;
      })()`,
      { polling: 100, timeout: 3 * PATIENCE_MS },
    );
    return page;
  }

  it('shows a session of one at every other, until its server is killed', { timeout: 300_000 }, async () => {
    const [a, b] = servers as [ServerProcess, ServerProcess];
    const id = await create(`${a.origin}/stream`, `${a.origin}/scene/`);
    const events = await EventStreamClient.open(`${b.origin}/stream/${id}/sse?media=none`);
    expect(events.response.status).toBe(200);
    await events.signal('viewer');
    const urls = [...servers.map(({ origin }) => origin), haproxy.origin].map(
      (origin) => `${origin}/stream/${id}`,
    );
    const pages: Page[] = [];
    for (const url of urls) pages.push(await watch(url));
    const picture = await fetch(`${haproxy.origin}/stream/${id}/snapshot`);
    expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/png']);
    const { json } = await ask(urls[0] ?? '');
    const owner = serverOf(servers, (json as { instanceInfo: { pid: number } }).instanceInfo.pid);
    if (owner === undefined) throw new Error('No server has the browser');
    await owner.end('SIGKILL');
    const left = servers.filter((server) => server !== owner);
    for (const [index, server] of servers.entries()) {
      if (server === owner) continue;
      await pages[index]?.waitForFunction(
        `['ended', 'failed'].includes(document.querySelector('stream-view').status)`,
        { polling: 100, timeout: 3 * PATIENCE_MS },
      );
      expect((await ask(`${server.origin}/stream/${id}`)).json).toMatchObject({
        error: { code: 'node_lost' },
      });
    }
    if (owner === b) await events.untilEnd();
    else await events.until(() => events.text.includes('node_lost'));
    // The others go on, behind the same load balancer.
    const next = await create(`${haproxy.origin}/stream`, `${left[0]?.origin}/scene/`);
    await watch(`${haproxy.origin}/stream/${next}`);
  });
});
