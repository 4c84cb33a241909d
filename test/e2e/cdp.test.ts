import { once } from 'node:events';

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
  endpoint = `${server.origin.replace('http', 'ws')}/stream/${session.id}/cdp`;
  viewer = await browser.open(server);
  await viewer.connect({ id: session.id, url: `${server.origin}/stream/${session.id}` });
  await viewer.firstPicture();
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

/** The middle of the picture, in the size that it had, has a colour. */
async function untilShown(rgb: readonly number[]): Promise<void> {
  await viewer.until(`(() => {
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
    const pixel = context.getImageData(0, 0, 1, 1).data;
    const isPainted = ${JSON.stringify(rgb)}.every((value, at) => Math.abs(pixel[at] - value) < 20);
    return isPainted && video.videoWidth === 640 && video.videoHeight === 360;
  })()`);
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
  await untilShown(rgb);
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

it('tells a client what is no command, and a request that it is no handshake', async () => {
  const client = new WebSocket(endpoint);
  await once(client, 'open');
  client.send('not JSON');
  const [data] = (await once(client, 'message')) as [Buffer];
  expect(data.toString()).toContain('Expected a command');
  client.close();
  const plain = await fetch(`${server.origin}/stream/${session.id}/cdp`);
  expect(plain.status).toBe(426);
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

it('a tab that a click of a client opens is shown', async () => {
  const page = await session.page();
  const url = `${server.origin}/fixtures/second.html`;
  await page.setContent(`<a href="${url}" target="_blank" rel="opener">open</a>`);
  const opened = page.browser().waitForTarget((target) => target.opener() !== undefined);
  await page.click('a');
  const tab = await (await opened).page();
  await untilShown([0, 136, 0]);
  await tab?.evaluate('window.close()');
  await expectCaptured();
});

it('shares control with a viewer once it asks for it', async () => {
  const page = await session.page();
  await page.setContent('<input autofocus>');
  await page.type('input', 'a');
  const granted = session.control.request();
  await viewer.until(`viewer.told.control_requested?.publicId === 'automation'`);
  await expect(page.type('input', 'b')).rejects.toThrow('does not have control');
  await viewer.read(`viewer.signal('give_control', { publicId: 'automation' })`);
  await granted;
  await viewer.until(`viewer.told.role?.controllerId === 'automation'`);
  await page.type('input', 'c');
  expect(await page.$eval('input', (input) => input.value)).toBe('ac');
  const back = session.control.handOver();
  await viewer.read(`viewer.signal('request_control')`);
  await expect(page.type('input', 'd')).rejects.toThrow('does not have control');
  await viewer.read(`viewer.signal('release_control')`);
  await back;
  await page.type('input', 'e');
  expect(await page.$eval('input', (input) => input.value)).toBe('ace');
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

it('shows the session in an iframe of another site, under its own Content-Security-Policy', async () => {
  const page = await browser.browser.newPage();
  const violations: string[] = [];
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) violations.push(message.text());
  });
  const elsewhere = server.origin.replace('127.0.0.1', 'localhost');
  await page.goto(`${elsewhere}/fixtures/second.html`);
  const url = session.viewUrl(`${server.origin}/stream/`, { seat: 2 });
  await page.setContent(`<iframe src="${url}" allow="autoplay" width="640" height="360"></iframe>`);
  const frame = await (await page.waitForSelector('iframe'))?.contentFrame();
  const video = `document.querySelector('stream-view')?.shadowRoot.querySelector('video')`;
  await frame?.waitForFunction(`${video}?.videoWidth === 640`);
  await frame?.waitForFunction(`document.querySelector('stream-view').status === 'playing'`);
  expect(await frame?.evaluate(`getComputedStyle(${video}).objectFit`)).toBe('contain');
  await frame?.evaluate(
    `document.querySelector('stream-view').style.setProperty('--stream-view-fit', 'cover')`,
  );
  expect(await frame?.evaluate(`getComputedStyle(${video}).objectFit`)).toBe('cover');
  // Keys go to the page although the field that takes them is in a shadow tree.
  await session.control.request();
  const { publicId } = session.viewers().at(-1) ?? { publicId: '' };
  session.control.give(publicId);
  await frame?.waitForFunction(`document.querySelector('stream-view').connection.role === 'controller'`);
  const inputs: string[] = [];
  const stop = session.on('input', ({ message }) => inputs.push(message.type));
  await page.mouse.click(320, 180);
  await page.mouse.wheel({ deltaY: 10 });
  await page.keyboard.press('a');
  await expect.poll(() => inputs).toEqual(expect.arrayContaining(['pointer', 'wheel', 'keyboard']));
  stop();
  // The first gamepad of the player is the second one of the page, as the seat in the address says.
  await frame?.evaluate(`{
    const pad = { index: 0, id: 'Pad', connected: true, mapping: 'standard', axes: [0, 0], buttons: [] };
    Object.defineProperty(navigator, 'getGamepads', { value: () => [pad, null, null, null] });
    dispatchEvent(new Event('gamepadconnected'));
  }`);
  const controlled = await session.page();
  const pads = `navigator.getGamepads().map((pad) => pad && [pad.index, pad.id])`;
  await expect.poll(() => controlled.evaluate(pads)).toEqual([null, [1, 'Pad'], null, null]);
  expect(session.viewers()).toHaveLength(2);
  expect(violations).toEqual([]);
  await page.close();
});

it('lets no other site embed the page of a session without a token', async () => {
  const { headers } = await fetch(`${server.origin}/stream/${session.id}/view`);
  expect(headers.get('content-security-policy')).toContain("frame-ancestors 'self'");
  const ofPlayer = session.viewUrl(`${server.origin}/stream`, { seat: 2 });
  expect(new URL(ofPlayer).searchParams.get('seat')).toBe('2');
  expect((await fetch(ofPlayer.replace('seat=2', 'seat=5'))).status).toBe(400);
  expect(() => session.viewUrl(`${server.origin}/stream`, { seat: 5 })).toThrow('between 1 and 4');
  const withToken = await fetch(session.viewUrl(`${server.origin}/stream`));
  expect(withToken.headers.get('content-security-policy')).toContain('frame-ancestors *');
  expect((await fetch(`${server.origin}/stream/${session.id}/view?token=x`)).status).toBe(401);
  expect((await fetch(`${server.origin}/stream/view/connect-stream.d.ts`)).status).toBe(404);
});

it('ends with the session', async () => {
  const client = await CDP({ target: endpoint, local: true });
  const disconnected = new Promise<void>((resolve) => client.on('disconnect', () => resolve()));
  await session.end();
  await disconnected;
  await server.router.close();
  await expect.poll(() => processesOfSessions()).toEqual([]);
});
