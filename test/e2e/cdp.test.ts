import CDP from 'chrome-remote-interface';
import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import type { StreamKitSession } from '../../src/index.js';
import { processesOfSessions } from '../helpers/session-processes.js';
import { TestServer } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

let server: TestServer;
let session: StreamKitSession;
let endpoint: string;
let browser: ViewerBrowser;
let viewer: ViewerTab;

beforeAll(async () => {
  [browser, server] = await Promise.all([
    ViewerBrowser.launch(),
    TestServer.start({
      cdp: true,
      streamTokens: { secret: 'a secret of at least 32 characters' },
    }),
  ]);
  session = await server.router.sessions.create({ targetUrl: server.page('mode=counter') });
  await session.whenReady();
  endpoint = endpointOf(session);
  viewer = await browser.open(server);
  await viewer.connect({ id: session.id, url: `${server.origin}/stream/${session.id}` });
  await viewer.firstPicture();
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

function endpointOf({ id }: StreamKitSession): string {
  return `${server.origin.replace('http', 'ws')}/stream/${id}/cdp`;
}

let colours = 0;

/** What the page shows from now on is encoded, in the size that it had, and reaches a viewer. */
async function expectCaptured(): Promise<void> {
  colours += 1;
  const rgb = [40 + 60 * (colours % 4), 40 + 60 * ((colours >> 2) % 4), 160];
  const page = await session.page();
  await page.evaluate(`{
    const cover = document.body.appendChild(document.createElement('div'));
    cover.id = 'cover';
    cover.style = 'position: fixed; inset: 0; z-index: 9; background: rgb(${rgb.join()})';
  }`);
  await viewer.until(`(() => {
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
    const pixel = context.getImageData(0, 0, 1, 1).data;
    const isPainted = ${JSON.stringify(rgb)}.every((value, at) => Math.abs(pixel[at] - value) < 20);
    return isPainted && video.videoWidth === 640 && video.videoHeight === 360;
  })()`);
  await page.evaluate('cover.remove()');
  expect(session.state.metadata.restarts).toBe(0);
}

it('gives the application the page as Puppeteer’s own', async () => {
  const page = await session.page();
  expect(await page.evaluate('innerWidth')).toBe(640);
  await page.setContent('<input id="name"><p id="state"></p>');
  await page.evaluate(`addEventListener('message', ({ data }) => { state.textContent = data; })`);
  await page.type('#name', 'typed');
  expect(await page.$eval('#name', (input) => (input as HTMLInputElement).value)).toBe('typed');
  await page.goto(server.page('mode=counter'));
  session.setPageState({ round: 3 });
  await page.waitForFunction('window.streamKit !== undefined');
  const state = await page.evaluate(
    `new Promise((resolve) => streamKit.on('state', ({ round }) => round === 3 && resolve(round)))`,
  );
  expect(state).toBe(3);
  expect(await session.page()).toBe(page);
  await expectCaptured();
});

it('serves Puppeteer by WebSocket, which sees one page and cannot close it', async () => {
  const client = await puppeteer.connect({ browserWSEndpoint: endpoint });
  const pages = await client.pages();
  expect(pages.map((page) => page.url())).toEqual([server.page('mode=counter')]);
  expect(client.targets().filter((target) => target.url().includes('.invalid'))).toEqual([]);
  const [page] = pages;
  await expect(page?.close()).rejects.toThrow('captured');
  await expect(client.newPage()).rejects.toThrow('one tab');
  await expect(page?.goto('file:///etc/passwd')).rejects.toThrow('Expected a URL');
  expect((await page?.screenshot())?.length).toBeGreaterThan(1000);
  await client.close();
  await expectCaptured();
});

it('serves Playwright, beside another client', async () => {
  const other = await CDP({ target: endpoint, local: true });
  const client = await chromium.connectOverCDP(endpoint);
  const pages = client.contexts().flatMap((context) => context.pages());
  expect(pages.map((page) => page.url())).toEqual([server.page('mode=counter')]);
  expect(await pages[0]?.evaluate('innerWidth')).toBe(640);
  await client.close();
  expect((await other.send('Browser.getVersion')).product).toMatch(/Chrom/);
  await other.close();
  await expectCaptured();
});

it('serves raw CDP, to which targets of ours do not exist', async () => {
  const client = await CDP({ target: endpoint, local: true });
  const { targetInfos } = await client.send('Target.getTargets', { filter: [{}] });
  expect(targetInfos.filter(({ type }) => type === 'page')).toHaveLength(1);
  expect(JSON.stringify(targetInfos)).not.toMatch(/\.invalid|capture/);
  const seen: string[] = [];
  client.on('event', ({ method, params }) => seen.push(`${method} ${JSON.stringify(params)}`));
  await client.send('Target.setDiscoverTargets', { discover: true, filter: [{}] });
  await client.send('Target.setAutoAttach', {
    ...{ autoAttach: true, waitForDebuggerOnStart: false, flatten: true },
    filter: [{ type: 'page', exclude: true }, {}],
  });
  await client.send('Browser.getVersion');
  expect(seen.join('\n')).toContain('Target.attachedToTarget');
  expect(seen.join('\n')).not.toMatch(/\.invalid|capture/);
  await expect(client.send('Tethering.bind', { port: 9 })).rejects.toThrow('not available');
  await client.close();
  await expectCaptured();
});

it('takes eight clients and none beyond, and nothing that is no handshake', async () => {
  // Of the other session clients may still be leaving.
  const other = await server.router.sessions.create({ targetUrl: server.page('mode=counter') });
  await other.whenReady();
  const open = async (): Promise<WebSocket | number> => {
    const webSocket = new WebSocket(endpointOf(other));
    return new Promise((resolve, reject) => {
      webSocket.once('open', () => resolve(webSocket));
      webSocket.once('unexpected-response', (_request, { statusCode = 0 }) => resolve(statusCode));
      webSocket.once('error', reject);
    });
  };
  const clients: WebSocket[] = [];
  for (;;) {
    const opened = await open();
    if (typeof opened === 'number') {
      expect(opened).toBe(429);
      break;
    }
    clients.push(opened);
    expect(clients.length).toBeLessThan(9);
  }
  expect(clients).toHaveLength(8);
  const [first] = clients;
  const answer = new Promise<string>((resolve) =>
    first?.once('message', (data) => resolve((data as Buffer).toString())),
  );
  first?.send('not JSON');
  expect(await answer).toContain('Expected a command');
  const closed = Promise.all(
    clients.map((client) => new Promise((resolve) => client.once('close', resolve))),
  );
  for (const client of clients) client.close();
  await closed;
  const plain = await fetch(`${server.origin}/stream/${other.id}/cdp`);
  expect(plain.status).toBe(426);
  await other.end();
});

it('ends a client for which the page makes an event that is too long, and not the session', async () => {
  const client = await CDP({ target: endpoint, local: true });
  const { targetInfos } = await client.send('Target.getTargets');
  const { targetId = '' } = targetInfos.find(({ type }) => type === 'page') ?? {};
  const { sessionId } = await client.send('Target.attachToTarget', { targetId, flatten: true });
  await client.send('Runtime.enable', undefined, sessionId);
  await client.send('Runtime.addBinding', { name: 'tell' }, sessionId);
  const disconnected = new Promise<void>((resolve) => client.on('disconnect', () => resolve()));
  const expression = `tell('a'.repeat(17 * 2 ** 20))`;
  client.send('Runtime.evaluate', { expression }, sessionId).catch(() => undefined);
  await disconnected;
  await expectCaptured();
});

it('a page that a client has paused goes on when the client leaves', async () => {
  const client = await CDP({ target: endpoint, local: true });
  const { targetInfos } = await client.send('Target.getTargets');
  const { targetId = '' } = targetInfos.find(({ type }) => type === 'page') ?? {};
  const { sessionId } = await client.send('Target.attachToTarget', { targetId, flatten: true });
  await client.send('Debugger.enable', {}, sessionId);
  const paused = new Promise((resolve) => client.on('Debugger.paused', resolve));
  await client.send('Debugger.pause', undefined, sessionId);
  await paused;
  await client.close();
  await expectCaptured();
});

it('takes stream tokens of its scope alone', async () => {
  const status = (token: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const webSocket = new WebSocket(`${endpoint}?token=${token}`);
      webSocket.once('open', () => {
        webSocket.terminate();
        resolve(101);
      });
      webSocket.once('unexpected-response', (_request, { statusCode = 0 }) => resolve(statusCode));
      webSocket.once('error', reject);
    });
  expect(await status(session.createStreamToken())).toBe(403);
  expect(await status(session.createStreamToken({ scope: ['cdp'] }))).toBe(101);
});

it('ends with the session', async () => {
  const client = await CDP({ target: endpoint, local: true });
  const disconnected = new Promise<void>((resolve) => client.on('disconnect', () => resolve()));
  await session.end();
  await disconnected;
  await server.router.close();
  await expect.poll(() => processesOfSessions()).toEqual([]);
});
