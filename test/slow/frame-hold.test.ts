import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CDPSession, Page } from 'puppeteer';

import { type FrameHold, holdFrames } from '../../src/render/capture/frame-hold.js';
import { PATIENCE_MS } from '../helpers/patience.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

/** Long enough for whatever a test does meanwhile. */
const LONG = { holdMs: 1_000, longestMs: PATIENCE_MS, timeoutMs: PATIENCE_MS };

let browser: ViewerBrowser;
let page: Page;
let cdp: CDPSession;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
  page = await browser.browser.newPage();
  cdp = await page.createCDPSession();
}, PATIENCE_MS * 3);

afterAll(() => browser.close());

/** A document whose frames are in `frames`, wall-clock ms, as long as its loop goes on. */
const begin = async (script = ''): Promise<void> => {
  await page.goto('about:blank');
  await page.evaluate(`
    globalThis.native = requestAnimationFrame;
    globalThis.log = [];
    globalThis.frames = [];
    // Once frames are held back.
    globalThis.onHeld = (act) => {
      const timer = setInterval(() => {
        if (requestAnimationFrame === native) return;
        clearInterval(timer);
        act();
      });
    };
    (function loop() { frames.push(performance.timeOrigin + performance.now()); requestAnimationFrame(loop); })();
    ${script}`);
  await page.waitForFunction('frames.length > 10');
};

/** The loop goes on. */
const untilMoving = async (): Promise<void> => {
  const count = (await page.evaluate('frames.length')) as number;
  await page.waitForFunction(`frames.length > ${count + 5}`, { timeout: PATIENCE_MS });
};

const expectHold = async (): Promise<FrameHold> => {
  const hold = await holdFrames(cdp, LONG);
  if (hold === undefined) throw new Error('Expected frames to be held back');
  return hold;
};

test('an animated page goes without frames for as long as they are held back, and then goes on', async () => {
  await begin();
  const beganMs = Date.now();
  const { heldAtMs, resumedAtMs } = await expectHold();
  expect(resumedAtMs).toBeGreaterThan(beganMs + LONG.holdMs - 50);
  expect(heldAtMs).toBeGreaterThan(beganMs - 50);
  await untilMoving();
  const between = (await page.evaluate(
    `frames.filter((at) => at > ${heldAtMs + 1} && at < ${resumedAtMs - 1}).length`,
  )) as number;
  expect(between).toBe(0);
});

test('as it is by default, nothing of it stays in the page', async () => {
  await begin('globalThis.cancel = cancelAnimationFrame;');
  const describe =
    "JSON.stringify(['requestAnimationFrame', 'cancelAnimationFrame'].map((name) => Object.getOwnPropertyDescriptor(window, name)))";
  const before = await page.evaluate(describe);
  await holdFrames(cdp, { timeoutMs: PATIENCE_MS });
  await page.waitForFunction('native === requestAnimationFrame && cancel === cancelAnimationFrame');
  expect(await page.evaluate(describe)).toBe(before);
  await untilMoving();
});

test('each frame that was asked for comes once and in order, but for those that were cancelled', async () => {
  await begin(`onHeld(() => {
    let refused;
    try { requestAnimationFrame(null); } catch (error) { refused = error.name; }
    let later;
    requestAnimationFrame(() => { log.push('first'); cancelAnimationFrame(later); });
    const cancelled = requestAnimationFrame(() => log.push('cancelled'));
    requestAnimationFrame((now) => log.push(typeof now, refused));
    cancelAnimationFrame(cancelled);
    later = requestAnimationFrame(() => log.push('cancelled later'));
    requestAnimationFrame(() => log.push('last'));
  });`);
  await expectHold();
  await page.waitForFunction("log.includes('last')");
  expect(await page.evaluate('log')).toEqual(['first', 'number', 'TypeError', 'last']);
});

test('a handle of one hold names nothing in the next', async () => {
  await begin('onHeld(() => { globalThis.old = requestAnimationFrame(() => log.push(1)); });');
  await expectHold();
  await page.waitForFunction('log.length === 1');
  await page.evaluate('onHeld(() => cancelAnimationFrame(old))');
  await expectHold();
  await untilMoving();
});

test.each([
  ['keeps the function', 'const kept = requestAnimationFrame; globalThis.again = () => kept;'],
  [
    'wraps the function',
    'const kept = requestAnimationFrame; window.requestAnimationFrame = (callback) => kept(callback); globalThis.again = () => requestAnimationFrame;',
  ],
  [
    'replaces the function',
    'window.requestAnimationFrame = native; globalThis.again = () => requestAnimationFrame;',
  ],
])('a page that %s meanwhile gets its frames later', async (_what, script) => {
  await begin(`onHeld(() => { ${script} });`);
  await holdFrames(cdp, LONG);
  await page.waitForFunction('globalThis.again !== undefined');
  await page.evaluate('again()(() => log.push(1))');
  await page.waitForFunction('log.length === 1', { timeout: PATIENCE_MS });
  await untilMoving();
});

test('a page takes its frames back by itself', async () => {
  await begin('globalThis.wasHeld = false; onHeld(() => { wasHeld = true; });');
  let isReleased = false;
  const releasing = holdFrames(cdp, { ...LONG, holdMs: 5_000, longestMs: 500 }).finally(
    () => (isReleased = true),
  );
  await page.waitForFunction('wasHeld && requestAnimationFrame === native', { timeout: PATIENCE_MS });
  await untilMoving();
  expect(isReleased).toBe(false);
  expect(await releasing).toBeDefined();
});

test('what zone.js would wrap stays in its zone', async () => {
  await begin(
    'globalThis.Zone = { current: { wrap: (callback, source) => (now) => { if (log.length === 0) log.push(source); callback(now); } } };',
  );
  await expectHold();
  await page.waitForFunction('log.length === 1');
  expect(await page.evaluate('log')).toEqual(['requestAnimationFrame']);
});

test('a page without animation frames is left alone', async () => {
  await page.goto('about:blank');
  await page.evaluate('globalThis.native = requestAnimationFrame; globalThis.log = [];');
  expect(await holdFrames(cdp, LONG)).toBeUndefined();
  expect(await page.evaluate('requestAnimationFrame === native')).toBe(true);
  await page.evaluate('requestAnimationFrame(() => log.push(1))');
  await page.waitForFunction('log.length === 1', { timeout: PATIENCE_MS });
});

test.each([
  ['its clock', "performance.now = () => 'soon';"],
  ['its timers', 'globalThis.setTimeout = () => { throw new Error(); };'],
  [
    'what cannot be replaced',
    "Object.defineProperty(window, 'cancelAnimationFrame', { set() { throw new Error(); } });",
  ],
])('a page that has replaced %s gets its frames all the same', async (_what, script) => {
  await begin();
  await page.evaluate(script);
  expect(await holdFrames(cdp, LONG)).toBeUndefined();
  await page.evaluate('requestAnimationFrame(() => log.push(1))');
  await page.waitForFunction('log.length === 1', { timeout: PATIENCE_MS });
  await untilMoving();
});
