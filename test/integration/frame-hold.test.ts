import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CDPSession, Page } from 'puppeteer';

import { holdFrames } from '../../src/render/capture/frame-hold.js';
import { PATIENCE_MS } from '../helpers/patience.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

let browser: ViewerBrowser;
let page: Page;
let cdp: CDPSession;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
  page = await browser.browser.newPage();
  cdp = await page.createCDPSession();
}, PATIENCE_MS * 3);

afterAll(() => browser.close());

/** Begins a document whose script runs `script` first; `log` and `frames` are its globals. */
const begin = async (script: string): Promise<void> => {
  await page.goto('about:blank');
  await page.evaluate(`globalThis.log = []; globalThis.frames_ = 0; ${script}`);
};

const LOOP = `(function loop() { frames_ += 1; requestAnimationFrame(loop); })();`;

test('an animated page goes without frames for three refreshes, and then goes on', async () => {
  await begin(`let last; requestAnimationFrame(function loop(now) {
    requestAnimationFrame(loop);
    if (last !== undefined) log.push(performance.now() - last);
    last = performance.now();
  });`);
  await page.waitForFunction('log.length > 10');
  await page.evaluate('log.length = 0');
  const hold = await holdFrames(cdp);
  if (hold === undefined) throw new Error('Expected frames to be held back');
  expect(hold.resumedAtMs - hold.heldAtMs).toBeGreaterThan(40);
  expect(Math.abs(hold.resumedAtMs - Date.now())).toBeLessThan(PATIENCE_MS);
  await page.waitForFunction('log.length > 10');
  expect(await page.evaluate('Math.max(...log)')).toBeGreaterThan(40);
});

test('nothing of it stays in the page', async () => {
  await begin(`globalThis.natives = [requestAnimationFrame, cancelAnimationFrame]; ${LOOP}`);
  const describe =
    "JSON.stringify(['requestAnimationFrame', 'cancelAnimationFrame'].map((name) => Object.getOwnPropertyDescriptor(window, name)))";
  const before = await page.evaluate(describe);
  await holdFrames(cdp);
  expect(
    await page.evaluate('natives[0] === requestAnimationFrame && natives[1] === cancelAnimationFrame'),
  ).toBe(true);
  expect(await page.evaluate(describe)).toBe(before);
});

test('each frame that was asked for comes once and in order, but for those that were cancelled', async () => {
  await begin(`${LOOP}
    globalThis.ask = () => {
      const wrong = [];
      try { requestAnimationFrame(null); } catch (error) { wrong.push(error.name); }
      requestAnimationFrame(() => log.push('first'));
      const cancelled = requestAnimationFrame(() => log.push('cancelled'));
      requestAnimationFrame((now) => log.push(typeof now, wrong[0]));
      cancelAnimationFrame(cancelled);
      globalThis.later = requestAnimationFrame(() => log.push('cancelled later'));
      requestAnimationFrame(() => log.push('last'));
    };
    globalThis.native = requestAnimationFrame;
    // Of those that were held back, in the frame in which they come.
    globalThis.watch = setInterval(() => {
      if (requestAnimationFrame === native || globalThis.asked) return;
      asked = true;
      requestAnimationFrame(() => { cancelAnimationFrame(later); });
      ask();
    }, 1);
    globalThis.asked = false;`);
  await holdFrames(cdp);
  await page.waitForFunction("log.includes('last')");
  expect(await page.evaluate('asked')).toBe(true);
  expect(await page.evaluate('log')).toEqual(['first', 'number', 'TypeError', 'last']);
});

test('a page without animation frames is left alone', async () => {
  await begin('');
  expect(await holdFrames(cdp)).toBeUndefined();
});

test('a page that replaces what the script uses gets its frames all the same', async () => {
  await begin(`const native = requestAnimationFrame.bind(window);
    performance.now = () => 'soon';
    window.requestAnimationFrame = (callback) => native((now) => callback(now));
    setTimeout(() => { window.requestAnimationFrame = native; }, 30);
    ${LOOP}`);
  expect(await holdFrames(cdp)).toBeUndefined();
  const frames = (await page.evaluate('frames_')) as number;
  await page.waitForFunction(`frames_ > ${frames + 5}`);
});
