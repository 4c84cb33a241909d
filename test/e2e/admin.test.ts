import type { Page } from 'puppeteer';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { TestServer } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

let server: TestServer;
let browser: ViewerBrowser;

beforeAll(async () => {
  [server, browser] = await Promise.all([TestServer.start({ admin: true }), ViewerBrowser.launch()]);
});

afterAll(async () => {
  await server.close();
  await browser.close();
});

/** Moves the focus by keyboard alone. */
async function tabTo(page: Page, id: string): Promise<void> {
  for (let presses = 0; presses < 20; presses++) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate('document.activeElement.id')) === id) return;
  }
  throw new Error(`No key leads to ${id}`);
}

test('an operator sees a session with its picture and curves, restarts and ends it by keyboard', async () => {
  const session = await server.create(server.page('mode=counter'));
  const page = await browser.browser.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => void dialog.accept());
  await page.goto(`${server.origin}/stream/admin`);
  const until = (expression: string): Promise<unknown> =>
    page.waitForFunction(expression, { polling: 100, timeout: 60_000 });
  await until(`document.querySelector('.picture')?.naturalWidth === 480`);
  await until(`document.querySelectorAll('polyline[points*=" "]').length === 3`);
  expect(await page.evaluate(`document.querySelector('h2').textContent`)).toBe(server.page('mode=counter'));
  expect(await page.evaluate(`document.querySelector('.memory b').textContent`)).toMatch(/^\d+ MB$/);

  await tabTo(page, `restart-${session.id}`);
  await page.keyboard.press('Enter');
  await until(`document.querySelector('.list').textContent.includes('1 restart')`);
  await until(`document.querySelector('.status').textContent === 'connecting'`);
  await tabTo(page, `end-${session.id}`);
  await page.keyboard.press('Enter');
  await until(`!document.querySelector('#empty').hidden`);
  expect((await fetch(session.url)).status).toBe(404);
  // Nothing that the Content-Security-Policy forbids; a picture of a page that restarts or ends is refused.
  expect(complaints.filter((text) => !text.startsWith('Failed to load resource'))).toEqual([]);
});
