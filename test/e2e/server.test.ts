import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import express from 'express';
import type { Page, SerializedAXNode } from 'puppeteer';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { root } from '../helpers/product.js';
import { browsersIn, profilesOf, ServerProcess } from '../helpers/server-process.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

const { createDemoServer } = (await import(
  join(root, 'dist', 'demo', 'server.js')
)) as typeof import('../../src/demo/server.js');

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

/** Roles that a screen reader says nothing of without a name. */
const NAMED_ROLES =
  /^(?:button|link|textbox|combobox|slider|tab|tablist|region|group|log|checkbox|menuitem|dialog)$/;

/** What a screen reader would have no name for. */
async function nameless(page: Page): Promise<string[]> {
  const found: string[] = [];
  const visit = ({ role, name = '', children = [] }: SerializedAXNode): void => {
    if (NAMED_ROLES.test(role) && name.trim() === '') found.push(role);
    children.forEach(visit);
  };
  const tree = await page.accessibility.snapshot();
  if (tree) visit(tree);
  expect(tree?.children?.length).toBeGreaterThan(0);
  return found;
}

/** Ids of what can be used with the mouse, and of what a walk by the Tab key reaches. */
async function walk(page: Page): Promise<{ usable: string[]; reached: string[] }> {
  const usable = await page.$$eval('button, input, select, a[href], [tabindex="0"]', (elements) =>
    elements
      .filter((element) => element.checkVisibility() && !(element as HTMLButtonElement).disabled)
      .map(({ id, textContent }) => id || textContent.trim()),
  );
  await page.evaluate('document.activeElement.blur()');
  const reached = new Set<string>();
  for (let step = 0; step < usable.length + 5; step++) {
    await page.keyboard.press('Tab');
    reached.add(
      await page.evaluate(() => {
        const { id, textContent } = document.activeElement ?? document.body;
        return id || textContent.trim();
      }),
    );
    // Where keys go to the picture, these are the way on.
    if (await page.evaluate('document.activeElement.matches("textarea")')) {
      await page.keyboard.down('Shift');
      await page.keyboard.press('Escape');
      await page.keyboard.up('Shift');
    }
  }
  return { usable, reached: [...reached] };
}

test('one click on the page of the server brings picture, sound and state', async () => {
  const server = await start();
  const page = await browser.browser.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
  await page.goto(server.origin);
  expect(await nameless(page)).toEqual([]);
  const atStart = await walk(page);
  expect(atStart.reached).toEqual(expect.arrayContaining(atStart.usable));
  const motion = (): Promise<unknown> =>
    page.$eval('.spinner', (spinner) => getComputedStyle(spinner).animationName);
  expect(await motion()).toBe('none');
  await page.emulateMediaFeatures([]);
  expect(await motion()).toBe('turn');
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
  expect(await nameless(page)).toEqual([]);
  const live = await walk(page);
  expect(live.reached).toEqual(expect.arrayContaining(live.usable));
  await page.locator('#more').click();
  expect(await nameless(page)).toEqual([]);
  await page.keyboard.press('Escape');
  // The keys of a player are not those of this page.
  expect(await page.$eval('video', ({ muted }) => muted)).toBe(false);
  await page.click('#take');
  await page.waitForFunction('/Nobody has control/.test(document.body.innerText)');
  await page.keyboard.press('m');
  expect(await page.$eval('video', ({ muted }) => muted)).toBe(true);

  // Each figure that changes has its last minute as a curve.
  for (const curve of ['frameRate', 'bitrate', 'roundTrip', 'lost'].map((name) => `[data-curve=${name}]`))
    await page.waitForFunction(`document.querySelector('${curve} path:not(.area)').getAttribute('d') !== ''`);
  await page.waitForFunction(
    "document.querySelector('#latency-curve path:not(.area)').getAttribute('d') !== ''",
  );
  // Full screen is the picture, to the edges.
  await page.click('#fullscreen');
  await page.waitForFunction('document.fullscreenElement?.id === "stage"');
  await page.waitForFunction(`(() => {
    const { left, top, width, height } = document.querySelector('video').getBoundingClientRect();
    const points = [[1, 1], [innerWidth / 2, innerHeight / 2], [innerWidth - 2, innerHeight - 2]];
    return left === 0 && top === 0 && width === innerWidth && height === innerHeight &&
      points.every(([x, y]) => document.elementFromPoint(x, y).id === 'video');
  })()`);
  await page.evaluate('document.exitFullscreen()');
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

test('a phone has all of a page: gamepad, trackpad, rumble, lists, files and tabs', async () => {
  const demo = createDemoServer();
  demo.app.use('/fixtures', express.static(join(root, 'test', 'fixtures')));
  const origin = await demo.listen(0, '127.0.0.1');
  const page = await browser.browser.newPage();
  try {
    await page.setViewport({ width: 390, height: 844, hasTouch: true, isMobile: true });
    await page.evaluateOnNewDocument(() => {
      navigator.vibrate = (pattern) => Boolean(((globalThis as any).vibrated = pattern));
    });
    await page.goto(origin);
    await page.locator('#address').fill(`${origin}/fixtures/overlays.html`);
    await page.select('#size', '640x360');
    await page.locator('#start-button').click();
    await page.waitForFunction('document.querySelector("video").videoWidth === 640');
    await page.waitForFunction('!document.querySelector("#show-gamepad").disabled');
    const session = new URL(page.url()).searchParams.get('session') ?? '';
    const told = async (): Promise<any> => {
      const { metadata } = (await (await fetch(`${origin}/stream/${session}`)).json()) as { metadata: any };
      return metadata.page.told ?? {};
    };
    const becomes = (name: string, value: unknown): Promise<void> =>
      expect.poll(async () => (await told())[name]).toEqual(value);
    const choose = async (id: string): Promise<void> => {
      await page.locator('#more').click();
      await page.locator(`#${id}`).click();
    };
    const boxOf = async (selector: string): Promise<{ x: number; y: number; width: number }> => {
      const box = await (await page.$(selector))?.boundingBox();
      if (!box) throw new Error(`${selector} is not shown`);
      return { x: box.x + box.width / 2, y: box.y + box.height / 2, width: box.width };
    };
    // The controls are one compact bar.
    const { height = Infinity } = (await (await page.$('#controls'))?.boundingBox()) ?? {};
    expect(height).toBeLessThan(60);

    const picture = await boxOf('#video');
    const scale = 640 / picture.width;
    const tapPage = (x: number, y: number): Promise<void> =>
      page.touchscreen.tap(picture.x + (x - 320) / scale, picture.y + (y - 180) / scale);
    await tapPage(540, 50);
    await page.waitForSelector('dialog select');
    expect(await nameless(page)).toEqual([]);
    await page.select('dialog select', '1');
    await becomes('chosen', 'two');
    await tapPage(320, 50);
    await page.waitForSelector('#download-list a[download="file.txt"]');

    await choose('show-gamepad');
    await becomes('pad', '');
    expect(await nameless(page)).toEqual([]);
    const button = await boxOf('[data-button="0"]');
    let finger = await page.touchscreen.touchStart(button.x, button.y);
    await becomes('pad', '0');
    await page.waitForFunction('window.vibrated === 321');
    await finger.end();
    await becomes('pad', '');
    await page.focus('[data-button="3"]');
    await page.keyboard.down('Space');
    await becomes('pad', '3');
    await page.keyboard.up('Space');
    await becomes('pad', '');
    const stick = await boxOf('#stick');
    finger = await page.touchscreen.touchStart(stick.x, stick.y);
    await finger.move(stick.x + stick.width / 2, stick.y);
    const axes = async (): Promise<number[]> =>
      ((await told()).axes as number[]).map((axis) => Math.round(axis) + 0);
    await expect.poll(axes).toEqual([1, 0, 0, 0]);
    await finger.end();
    await expect.poll(axes).toEqual([0, 0, 0, 0]);

    await choose('show-trackpad');
    await becomes('pad', 'none');
    const pad = await boxOf('#trackpad');
    const before = (await told()).clicks as number[];
    finger = await page.touchscreen.touchStart(pad.x - 50, pad.y);
    await finger.move(pad.x, pad.y + 20);
    await finger.end();
    const at = { x: 320 + 50 * scale, y: 180 + 20 * scale };
    await expect
      .poll(async () => {
        const [x = 0, y = 0] = (await told()).at as number[];
        return Math.max(Math.abs(x - at.x), Math.abs(y - at.y));
      })
      .toBeLessThanOrEqual(2);
    // However slow this machine is, taps are short.
    await page.evaluate('{ const now = performance.now(); performance.now = () => now; }');
    // Wherever the finger is: a tap clicks where the pointer is.
    await page.touchscreen.tap(pad.x - 30, pad.y - 30);
    await becomes('clicks', [...before, 0]);
    const fingers = [
      await page.touchscreen.touchStart(pad.x - 20, pad.y),
      await page.touchscreen.touchStart(pad.x + 20, pad.y),
    ];
    for (const one of fingers) await one.end();
    await becomes('clicks', [...before, 0, 2]);
    await page.evaluate('delete performance.now');
    const pair = [
      await page.touchscreen.touchStart(pad.x - 20, pad.y + 40),
      await page.touchscreen.touchStart(pad.x + 20, pad.y + 40),
    ];
    for (const [index, one] of pair.entries()) await one.move(pad.x - 20 + index * 40, pad.y - 40);
    for (const one of pair) await one.end();
    await expect.poll(async () => (await told()).scrolled).toBeGreaterThan(50);
    expect((await told()).clicks).toEqual([...before, 0, 2]);

    // A tab is closed by the keyboard, and the one before is shown.
    await choose('show-trackpad');
    await page.waitForFunction('document.querySelector("#trackpad").hidden');
    await (await demo.router.sessions.get(session).page()).evaluate('scrollTo(0, 0)');
    await tapPage(100, 50);
    await page.waitForFunction('document.querySelectorAll("#tabs [role=tab]").length === 2');
    expect(await nameless(page)).toEqual([]);
    await page.focus('#tabs [aria-selected=true]');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Enter');
    const isShown = (tab: string): string =>
      `document.querySelector('#tabs [role=presentation]:${tab} [role=tab]').ariaSelected === 'true'`;
    await page.waitForFunction(isShown('first-child'));
    await page.keyboard.press('End');
    await page.keyboard.press('Delete');
    await page.waitForFunction('document.querySelector("#tabs").hidden');
  } finally {
    await page.close();
    await demo.close();
  }
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
  const folder = mkdtempSync(join(tmpdir(), 'configuration-'));
  const config = join(folder, 'options.mjs');
  writeFileSync(config, 'export default { pool: { size: 1 } };');
  const killed = await start('--config', config);
  const session = await killed.liveSession();
  rmSync(folder, { recursive: true });
  // The session's two, as above, and that of a spare.
  await expect.poll(() => profilesOf(killed.pid), { timeout: 30_000 }).toHaveLength(3);
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
