import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CLUSTER_SECRET } from '../helpers/cluster-node.js';
import { freePort } from '../helpers/free-port.js';
import { HaproxyServer } from '../helpers/haproxy-server.js';
import { PATIENCE_MS, until } from '../helpers/patience.js';
import { RedisServer } from '../helpers/redis-server.js';
import { ask, EventStreamClient, postJson } from '../helpers/router-server.js';
import { ServerProcess } from '../helpers/server-process.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

describe.skipIf(!RedisServer.isInstalled || !HaproxyServer.isInstalled)('three servers that render', () => {
  let folder: string;
  let redis: RedisServer;
  let haproxy: HaproxyServer;
  const servers: ServerProcess[] = [];
  let browser: ViewerBrowser;
  /** Of all that has started. */
  const ends: (() => unknown)[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cluster-'));
    ends.push(() => rmSync(folder, { recursive: true }));
    redis = await RedisServer.start();
    ends.push(() => redis.stop());
    const ports = await Promise.all([0, 1, 2].map(() => freePort()));
    // All have started or failed before anything is ended.
    const started = await Promise.allSettled(ports.map((port, index) => start(port, `node-${index}`)));
    for (const one of started) {
      if (one.status === 'rejected') continue;
      servers.push(one.value);
      ends.push(() => one.value.end('SIGKILL'));
    }
    const failed = started.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    haproxy = await HaproxyServer.start(ports);
    ends.push(() => haproxy.stop());
    browser = await ViewerBrowser.launch();
    ends.push(() => browser.close());
  });

  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  });

  function start(port: number, nodeId: string): Promise<ServerProcess> {
    const advertiseUrl = `http://127.0.0.1:${port}/stream`;
    const cluster = { redis: redis.url, nodeId, advertiseUrl, secret: CLUSTER_SECRET };
    const options = {
      ...{ cluster, health: true, maxSessions: 2, listenAddress: '127.0.0.1' },
      // The scene of one is a page of another machine for the others.
      targetPolicy: { allowPrivateAddresses: true },
    };
    const file = join(folder, `${nodeId}.mjs`);
    writeFileSync(file, `export default ${JSON.stringify(options)};`);
    return ServerProcess.start(undefined, undefined, ['--port', String(port), '--config', file]);
  }

  /** The server that a process descends from. */
  function serverOf(pid: number): ServerProcess | undefined {
    for (let parent = pid; parent > 1;) {
      const found = servers.find((server) => server.pid === parent);
      if (found !== undefined) return found;
      parent = Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${parent}/status`, 'utf8'))?.[1] ?? 0);
    }
    return undefined;
  }

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
    const owner = serverOf((json as { instanceInfo: { pid: number } }).instanceInfo.pid);
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
