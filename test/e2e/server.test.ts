import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { root } from '../helpers/product.js';
import { browsersIn, profilesOf, ServerProcess } from '../helpers/server-process.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

const servers: ServerProcess[] = [];
let browser: ViewerBrowser;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server.end('SIGKILL');
});

afterAll(async () => {
  await browser.close();
});

async function start(...args: readonly string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start(undefined, undefined, args);
  servers.push(server);
  return server;
}

test('one click on the page of the server brings picture, sound and state', async () => {
  const server = await start();
  const page = await browser.browser.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  await page.goto(server.origin);
  // The locator waits until the button stands still.
  await page.locator('#start-button').click();
  await page.waitForFunction('document.querySelector("video").currentTime > 1', { timeout: 30_000 });
  const tracks = await page.evaluate(() =>
    (document.querySelector('video')?.srcObject as MediaStream | undefined)
      ?.getTracks()
      .map(({ kind, readyState }) => ({ kind, readyState })),
  );
  expect(tracks?.sort((a, b) => a.kind.localeCompare(b.kind))).toEqual([
    { kind: 'audio', readyState: 'live' },
    { kind: 'video', readyState: 'live' },
  ]);
  // The page shows what the scene has told about itself, and what the encoder does.
  await page.waitForFunction('/Northern Lights/.test(document.body.innerText)');
  await page.waitForFunction('/libx264/.test(document.body.innerText)');
  await page.waitForFunction('/[1-9]\\d* fps/.test(document.body.innerText)');

  // Who comes first plays. The page publishes its presses with the act that a space is.
  await page.waitForFunction('/Click the picture to play/.test(document.body.innerText)');
  await page.mouse.move(300, 300);
  await page.click('#video');
  await page.keyboard.press('Space', { delay: 60 });
  await page.keyboard.press('m', { delay: 60 });
  const presses = `fetch('/stream/' + new URLSearchParams(location.search).get('session'))
    .then((response) => response.json()).then(({ metadata }) => metadata.page.presses >= 2)`;
  await page.waitForFunction(presses, { polling: 100 });
  await page.waitForFunction('/^[1-9]\\d* ms$/.test(document.querySelector("#input-latency").textContent)');
  // The keys of a player are not those of this page.
  expect(await page.$eval('video', ({ muted }) => muted)).toBe(false);
  await page.click('#take');
  await page.waitForFunction('/Nobody has control/.test(document.body.innerText)');
  await page.keyboard.press('m');
  expect(await page.$eval('video', ({ muted }) => muted)).toBe(true);
  expect(problems).toEqual([]);
  await page.close();
});

test('a visitor opens a page by its address, in the size of a phone', async () => {
  const server = await start();
  const page = await browser.browser.newPage();
  await page.goto(server.origin);
  await page.locator('#address').fill(`${server.origin.replace('http://', '')}/scene/`);
  await page.select('#size', '412x892');
  await page.locator('#start-button').click();
  await page.waitForFunction('document.querySelector("video").videoWidth === 412');
  expect(await page.$eval('video', ({ videoHeight }) => videoHeight)).toBe(892);
  await page.waitForFunction(
    'document.querySelector("[data-curve=frameRate] path:not(.area)").getAttribute("d") !== ""',
  );
  await page.locator('#more').click();
  await page.locator('#stop').click();
  await page.waitForFunction('document.querySelector("#start").hidden === false');
  await page.close();
});

test('after SIGTERM it takes no more and waits, after another no browser and no file of it remains', async () => {
  const server = await start('--drain-seconds', '600');
  const session = await server.liveSession();
  // Of the browser, and of what the page downloads.
  const profiles = profilesOf(server.pid);
  expect(profiles).toHaveLength(2);
  expect(browsersIn(profiles).length).toBeGreaterThan(2);
  server.child.kill('SIGTERM');
  const [headers, body] = [{ 'content-type': 'application/json' }, '{"targetUrl":"about:blank"}'];
  await expect
    .poll(async () => (await fetch(`${server.origin}/stream`, { method: 'POST', headers, body })).status)
    .toBe(503);
  expect((await fetch(session)).status).toBe(200);
  expect(await server.end('SIGTERM')).toBe(0);
  expect(profilesOf(server.pid)).toEqual([]);
  // What was killed is gone a moment later.
  await expect.poll(() => browsersIn(profiles)).toEqual([]);
});

test('after SIGKILL the browsers end by themselves and the next start removes the files', async () => {
  const killed = await start();
  const session = await killed.liveSession();
  const upload = await fetch(`${session}/files?name=secret.txt`, { method: 'POST', body: 'of a viewer' });
  expect(upload.status).toBe(201);
  const profiles = profilesOf(killed.pid);
  const stored = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' });
  expect(profiles.flatMap(stored).filter((path) => path.endsWith('secret.txt'))).toHaveLength(1);
  await killed.end('SIGKILL');
  // The browser hangs on a pipe to its server.
  await expect.poll(() => browsersIn(profiles)).toEqual([]);
  const next = await start();
  await expect.poll(() => profilesOf(killed.pid)).toEqual([]);
  expect(await next.end('SIGTERM')).toBe(0);
});

test('the options of a configuration reach the router', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'configuration-'));
  try {
    const config = join(folder, 'options.mjs');
    writeFileSync(config, 'export default { maxSessions: 0 };');
    const main = join(root, 'dist', 'demo', 'main.js');
    const stderr = await new Promise<string>((resolve) => {
      execFile(process.execPath, [main, '--config', config, '--udp-port', '0'], (_error, _stdout, stderr) => {
        resolve(stderr);
      });
    });
    expect(stderr).toBe(
      'stream-kit-server: Expected integer between 1 and 1000 for maxSessions but received 0 of type number\n',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
