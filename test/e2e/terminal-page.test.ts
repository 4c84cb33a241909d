import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Page } from 'puppeteer';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { CuttableProxy } from '../helpers/cuttable-proxy.js';
import { root } from '../helpers/product.js';
import { isTmuxInstalled } from '../helpers/terminal-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

const { createDemoServer } = (await import(
  join(root, 'dist', 'demo', 'server.js')
)) as typeof import('../../src/demo/server.js');

let browser: ViewerBrowser;
let folder: string;
const violations: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'terminal-page-'));
  browser = await ViewerBrowser.launch();
});

afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(url: string): Promise<Page> {
  const page = await browser.browser.newPage();
  await page.setViewport({ width: 1280, height: 900 });
  // The limit of the test is enough: a step that is slow is not wrong.
  page.setDefaultTimeout(0);
  page.on('pageerror', (error) => violations.push(String(error)));
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) violations.push(message.text());
  });
  await page.goto(url);
  return page;
}

/** A long line; as an input method commits it, which takes one event in place of two for each key. */
async function enter(page: Page, line: string): Promise<void> {
  await page.keyboard.sendCharacter(line);
  await page.keyboard.press('Enter');
}

/** The lines on the screen, without the spaces at their ends. */
function lines(page: Page): Promise<string[]> {
  return page.$$eval('.xterm-rows > div', (rows) => rows.map((row) => row.textContent.trimEnd()));
}

async function untilLine(page: Page, line: string): Promise<void> {
  await page.waitForFunction(
    (wanted) =>
      [...document.querySelectorAll('.xterm-rows > div')].some((row) => row.textContent.trimEnd() === wanted),
    { polling: 50 },
    line,
  );
}

function untilText(page: Page, selector: string, text: string): Promise<unknown> {
  return page.waitForFunction(
    (where, wanted) => document.querySelector(where)?.textContent === wanted,
    { polling: 50 },
    selector,
    text,
  );
}

test.skipIf(!isTmuxInstalled)(
  'one types on the page, is cut off, misses nothing, and sees how it ended',
  async () => {
    const demo = createDemoServer({
      router: {
        terminal: {
          enabled: true,
          command: ['/bin/sh'],
          cwd: folder,
          env: { PS1: '> ', LC_ALL: 'C.UTF-8', TMPDIR: folder },
        },
      },
    });
    const proxy = await CuttableProxy.open(await demo.listen(0, '127.0.0.1'));
    try {
      const page = await open(proxy.origin);
      const typed: string[] = [];
      const network = await page.createCDPSession();
      await network.send('Network.enable');
      network.on('Network.webSocketFrameSent', ({ response }) => {
        const message = JSON.parse(response.payloadData) as { type: string; data: string };
        if (message.type === 'keys') typed.push(message.data);
      });
      await page.locator('#terminal-link').click();
      await page.locator('#start-button').click();
      await untilText(page, '#pilot', 'You type');

      // Exact, in its colour, and as wide as tmux takes it.
      const colours = `printf '\\033[31mröd\\033[0m \\033[38;2;1;2;3m漢\\033[0m🎉|\\n'`;
      await enter(page, colours);
      await untilLine(page, 'röd 漢🎉|');
      const coloursOf = await page.$$eval('.xterm-rows span', (spans) =>
        spans.map((span) => [span.textContent, getComputedStyle(span).color]),
      );
      expect(coloursOf).toContainEqual(['röd', 'rgb(251, 113, 133)']);
      expect(coloursOf).toContainEqual(['漢', 'rgb(1, 2, 3)']);

      // What a program asks of its terminal is answered by tmux alone.
      const question = `stty raw -echo; printf '\\033[c'; dd bs=64 count=1 2>/dev/null | wc -l; stty sane; echo; echo asked`;
      await enter(page, question);
      await untilLine(page, 'asked');

      await page.evaluate(() => {
        const clipboardData = new DataTransfer();
        clipboardData.setData('text/plain', 'echo "pasted: ü"\n');
        document
          .querySelector('.xterm-helper-textarea')
          ?.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
      });
      await untilLine(page, 'pasted: ü');

      // The program goes on while nobody is connected.
      const counting = 'echo line-1; while [ ! -e go ]; do sleep 0.05; done; seq -f line-%g 2 9; touch gone';
      await enter(page, counting);
      await untilLine(page, 'line-1');
      await proxy.cut();
      await untilText(page, '#status', 'Connection lost; reconnecting…');
      writeFileSync(join(folder, 'go'), '');
      while (!existsSync(join(folder, 'gone'))) await new Promise((resolve) => setTimeout(resolve, 20));
      await proxy.restore();
      await untilLine(page, 'line-9');
      await untilText(page, '#pilot', 'You type');
      const counted = (await lines(page)).filter((line) => /^line-\d$/.test(line));
      expect(counted).toEqual(Array.from({ length: 9 }, (_, index) => `line-${index + 1}`));

      // Another one opens it by its link, and may read.
      const reader = await open(page.url());
      await untilLine(reader, 'line-9');
      await reader.waitForFunction(
        () => /^Viewer \d+ types$/.test(document.querySelector('#pilot')?.textContent ?? ''),
        { polling: 50 },
      );
      expect(await reader.$eval('#read-only', (element) => element.hasAttribute('hidden'))).toBe(false);
      expect((await lines(reader)).filter((line) => /^line-\d$/.test(line))).toEqual(counted);
      await reader.close();
      // A page behind another one is not laid out anew.
      await page.bringToFront();

      const before = await page.$eval('#size', (element) => element.textContent);
      await page.setViewport({ width: 700, height: 700 });
      await page.waitForFunction(
        (size) => document.querySelector('#size')?.textContent !== size,
        { polling: 50 },
        before,
      );
      const [cols, rows] = (await page.$eval('#size', (element) => element.textContent)).split(' × ');
      await page.keyboard.type('clear; stty size; exit 3\n');
      await untilText(page, '#verdict-text', 'The program has ended with exit status 3.');
      expect(await lines(page)).toContain(`${rows} ${cols}`);
      expect(await page.$eval('#controls', (element) => element.hasAttribute('hidden'))).toBe(true);
      expect(typed.join('')).toBe([colours, question, counting, 'clear; stty size; exit 3', ''].join('\r'));
      expect(violations).toEqual([]);
      await page.close();
    } finally {
      await proxy.close();
      await demo.close();
    }
  },
);

test('a server that has no terminals offers none', async () => {
  const demo = createDemoServer();
  const origin = await demo.listen(0, '127.0.0.1');
  try {
    const page = await browser.browser.newPage();
    const told = page.waitForResponse(`${origin}/demo.json`);
    await page.goto(origin);
    expect(await (await told).json()).toEqual({ terminal: null });
    // Whatever the page makes of it, it has made by then.
    await page.evaluate(() => fetch('/demo.json').then((response) => response.json()));
    expect(await page.$eval('#terminal-link', (element) => element.hasAttribute('hidden'))).toBe(true);
    await page.goto(`${origin}/terminal/`);
    await untilText(page, '#headline', 'This server has no terminals.');
    expect(await page.$eval('#start-button', (element) => element.hasAttribute('hidden'))).toBe(true);
    expect(
      await page.evaluate(async () => {
        const headers = { 'Content-Type': 'application/json' };
        return (await fetch('/stream', { method: 'POST', headers, body: '{"terminal":{}}' })).status;
      }),
    ).toBe(403);
    await page.close();
  } finally {
    await demo.close();
  }
});
