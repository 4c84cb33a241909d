import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { commandLine, processesOfSessions } from '../helpers/session-processes.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

let server: TestServer;
let browser: ViewerBrowser;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterEach(async () => {
  await server.close();
  await expect.poll(() => processesOfSessions()).toEqual([]);
});

afterAll(() => browser.close());

async function metric(name: string): Promise<number> {
  const line = (await server.router.metrics()).split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

const browsers = (): number[] =>
  processesOfSessions()
    .filter(({ role }) => role === 'browser')
    .map(({ pid }) => pid);

async function spareReady(): Promise<void> {
  // With pages that are loaded ahead it takes the time of two launches and four loads.
  await expect.poll(() => metric('stream_kit_pool_ready'), { timeout: 60_000 }).toBe(1);
}

test('a spare becomes the session that is asked for, and one that dies is replaced', async () => {
  server = await TestServer.start({ pool: { size: 1 } });
  await spareReady();
  const [killed = 0] = browsers();
  process.kill(killed, 'SIGKILL');
  const replacement = (): number[] => browsers().filter((pid) => pid !== killed);
  await expect.poll(replacement).toHaveLength(1);
  await spareReady();
  const spares = replacement();

  // The spare has the size and the time zone of neither.
  const page = `${server.origin}/fixtures/warm.html`;
  const timezone = 'Pacific/Auckland';
  // The one is still being opened when the other comes.
  const warm = await server.create(page, { resolution: '480x270', timezone }, 'warm');
  const other = await server.create(page, {}, 'other');
  const found = async (session: CreatedSession): Promise<unknown> =>
    (await server.state(session, ({ metadata }) => metadata.page?.found !== undefined)).metadata.page.found;
  expect(await found(warm)).toEqual({ name: 'warm', size: [480, 270], history: 1, timezone });
  expect(await found(other)).toMatchObject({ name: 'other', size: [640, 360], history: 1 });
  const taken = 'stream_kit_pool_takes_total';
  // It counts once the page is there, which may have told of itself before.
  await expect.poll(() => metric(`${taken}{outcome="hit"}`)).toBe(1);
  expect(await metric(`${taken}{outcome="miss"}`)).toBe(1);

  const viewer = await browser.open(server);
  await viewer.connect(warm);
  await viewer.until('window.video.videoWidth === 480 && window.video.videoHeight === 270');
  await viewer.close();
  // A spare serves once: its browser ends with its session.
  expect(browsers()).toEqual(expect.arrayContaining(spares));
  await server.delete(warm);
  expect(browsers()).not.toEqual(expect.arrayContaining(spares));
});

/** A page that stores whatever it can, and what it loads: with how often each was asked for. */
class StoringSite {
  readonly asked: Record<string, number> = {};
  readonly #server: Server;
  /** Ends the answers that wait for a request, by its URL. */
  readonly #held: Record<string, (() => void)[]> = {};

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', ({ url = '' }, response) => {
      this.asked[url] = (this.asked[url] ?? 0) + 1;
      const [, awaited] = /^\/until(\/.*)/.exec(url) ?? [];
      if (awaited !== undefined) {
        (this.#held[awaited] ??= []).push(() => response.end());
        return;
      }
      for (const end of this.#held[url]?.splice(0) ?? []) end();
      const [body, headers] = ANSWERS[url] ?? ['', {}];
      response.writeHead(200, { 'content-type': 'text/javascript', ...headers }).end(body);
    });
  }

  static async open(): Promise<StoringSite> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new StoringSite(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get page(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const ANSWERS: Record<string, [string, Record<string, string>]> = {
  '/': [
    `<!doctype html><title>stores</title><img src="/until/stored"><script src="/asset.js"></script><script type="module">
      const found = {
        cookies: document.cookie,
        local: localStorage.length,
        session: sessionStorage.length,
        databases: (await indexedDB.databases()).length,
        caches: (await caches.keys()).length,
        workers: (await navigator.serviceWorker.getRegistrations()).length,
        asset: window.asset(),
      };
      document.cookie = 'stored=1; max-age=3600';
      localStorage.setItem('stored', '1');
      sessionStorage.setItem('stored', '1');
      await new Promise((resolve) => (indexedDB.open('stored').onsuccess = resolve));
      await caches.open('stored');
      window.streamKit?.setMetadata({ found });
      await fetch('/stored');
      // Chromium registers it when the page is loaded.
      void fetch('/until/registered');
      await navigator.serviceWorker.register('/worker.js');
      await navigator.serviceWorker.ready;
      await fetch('/registered');
    </script>`,
    { 'content-type': 'text/html' },
  ],
  // Long enough that V8 keeps its code.
  '/asset.js': [
    `window.asset = () => 'ran'; ${"window.other = () => 'x'; ".repeat(200)}`,
    { 'cache-control': 'public, max-age=3600, immutable' },
  ],
  '/worker.js': ['addEventListener("activate", (event) => event.waitUntil(clients.claim()))', {}],
};

/** Of the only browser. */
function profileFolder(): string {
  const [pid = 0] = browsers();
  const [, profile = ''] = /--user-data-dir=([^\0]+)/.exec(commandLine(pid)) ?? [];
  return profile;
}

/** Names of the files of the only browser's cache of compiled scripts that have the code of this one. */
async function compiled(script: string): Promise<string[]> {
  const folder = join(profileFolder(), 'Default', 'Code Cache', 'js');
  const names = (await readdir(folder)).filter((name) => !name.includes('index'));
  const files = await Promise.all(names.map((name) => readFile(join(folder, name), 'latin1')));
  // A script that was seen once has an entry too, with the time alone.
  return names.filter((_name, at) => files[at]?.includes(script) === true && files[at].length > 500);
}

test('a spare has loaded pages ahead: their resources are in its caches, and nothing else of them is', async () => {
  const [site, forbidden] = [await StoringSite.open(), await StoringSite.open()];
  try {
    server = await TestServer.start({
      pool: { size: 1, preload: [site.page, forbidden.page] },
      targetPolicy: { allowPrivateAddresses: (_address, port) => port !== forbidden.port },
    });
    await spareReady();
    const preloads = 'stream_kit_pool_preloads_total';
    expect(await metric(`${preloads}{outcome="loaded"}`)).toBe(1);
    // One that fails costs the spare nothing.
    expect(await metric(`${preloads}{outcome="failed"}`)).toBe(1);
    expect(forbidden.asked).toEqual({});
    expect(site.asked).toMatchObject({ '/': 2, '/asset.js': 1, '/stored': 2 });
    expect(await compiled('/asset.js')).toHaveLength(1);
    // Nor does it lie on the disk.
    const files = await readdir(profileFolder());
    expect(files).toContain('Default');
    expect(files).not.toContain('preload');

    // One without sound takes a spare as well.
    const session = await server.create(site.page, { audio: false });
    const { metadata } = await server.state(session, (state) => state.metadata.page?.found !== undefined);
    expect(metadata.audio).toBeNull();
    expect(metadata.page.found).toEqual({
      ...{ cookies: '', local: 0, session: 0, databases: 0, caches: 0, workers: 0, asset: 'ran' },
    });
    await expect.poll(() => metric('stream_kit_pool_takes_total{outcome="hit"}')).toBe(1);
    expect(site.asked).toMatchObject({ '/': 3, '/asset.js': 1 });
    expect(await metric('stream_kit_pool_takes_total{outcome="miss"}')).toBe(0);
    await server.delete(session);
  } finally {
    site.close();
    forbidden.close();
  }
});
