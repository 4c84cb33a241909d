import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';

import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { withTimeout } from '../../src/base/with-timeout.js';
import { freePort } from '../helpers/free-port.js';
import { PATIENCE_MS } from '../helpers/patience.js';
import { root } from '../helpers/product.js';
import { profilesOf } from '../helpers/server-process.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

const folder = join(root, 'examples');
const names = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, 'server.mjs')))
  .map(({ name }) => name);

/** Also one that is shown by our element. */
const VIDEO = `(document.querySelector('video') ??
  document.querySelector('stream-view')?.shadowRoot?.querySelector('video'))`;

/** Frames that a viewer must decode before the example counts as playing. */
const FRAMES = 30;

let browser: ViewerBrowser;
beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});
afterAll(() => browser.close());

function run(
  name: string,
  [command = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ChildProcessByStdio<null, Readable, null> {
  return spawn(command, args, {
    cwd: join(folder, name),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** What a program prints. */
class OutputLines {
  readonly #lines: string[] = [];
  readonly #reader: Interface;

  constructor(output: Readable) {
    this.#reader = createInterface({ input: output });
    this.#reader.on('line', (line) => this.#lines.push(line));
  }

  /** Resolves when a line begins like this; also one that was printed before. */
  async until(begin: string): Promise<void> {
    while (!this.#lines.some((line) => line.startsWith(begin))) await once(this.#reader, 'line');
  }
}

/** What somebody does in an example, once its picture is there. */
const FLOWS: Readonly<Record<string, (page: Page, lines: OutputLines) => Promise<void>>> = {
  'human-takeover': async (page, lines) => {
    await lines.until('A person is needed');
    await page.click('#take');
    await page.waitForSelector('#return', { visible: true });
    await page.keyboard.type('42');
    await page.keyboard.press('Enter');
    await lines.until('The page says {"captcha":"solved"}');
    await page.click('#return');
    await lines.until('The form is sent');
    await lines.until('The profile is stored');
    await lines.until('It took ');
  },
  arcade: async (page) => {
    const link = await page.$eval('nav a:last-child', (found) => (found as unknown as { href: string }).href);
    expect(new URL(link).searchParams.get('seat')).toBe('2');
    const player = await page.browser().newPage();
    await player.goto(link);
    await player.waitForFunction(
      `document.querySelector('stream-view')?.connection?.role === 'controller' && ${VIDEO}.videoWidth > 0`,
    );
    await player.close();
  },
};

describe.each(names)('the example %s', (name) => {
  it('shows moving pictures to a viewer and ends without leftovers', async () => {
    const prepare = run(name, ['npm', 'run', '--silent', 'prestart']);
    expect(await once(prepare, 'exit')).toEqual([0, null]);
    const port = await freePort();
    const profiles = await mkdtemp(join(tmpdir(), 'stream-kit-test-'));
    const server = run(name, ['node', 'server.mjs'], {
      PORT: String(port),
      NODE_ENV: 'production',
      PROFILE_DIRECTORY: profiles,
    });
    const exited = once(server, 'exit');
    // As browsers open ahead: Node.js ends one that has never asked for anything after a minute at the earliest.
    let unused: Socket | undefined;
    try {
      const lines = new OutputLines(server.stdout);
      await lines.until('Open ');
      const page = await browser.browser.newPage();
      await page.goto(`http://127.0.0.1:${port}/`);
      await page.waitForFunction(`(${VIDEO}?.getVideoPlaybackQuality().totalVideoFrames ?? 0) >= ${FRAMES}`);
      // The background of the page that is rendered.
      const [red = 0, green = 0, blue = 0] = (await page.evaluate(`(() => {
        const canvas = new OffscreenCanvas(1, 1).getContext('2d');
        canvas.drawImage(${VIDEO}, 0, 0, 8, 8, 0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
      })()`)) as number[];
      expect(Math.max(Math.abs(red - 0x0b), Math.abs(green - 0x3d), Math.abs(blue - 0x2e))).toBeLessThan(24);
      await FLOWS[name]?.(page, lines);
      await page.close();
      unused = connect(port, '127.0.0.1').on('error', () => undefined);
      await once(unused, 'connect');
    } finally {
      server.kill('SIGTERM');
      await withTimeout(exited, PATIENCE_MS).finally(() => {
        unused?.destroy();
        server.kill('SIGKILL');
      });
      await rm(profiles, { recursive: true });
    }
    expect(await exited).toSatisfy(
      ([code, signal]: [number | null, string | null]) => code === 0 || signal === 'SIGTERM',
    );
    expect(profilesOf(server.pid ?? 0)).toEqual([]);
  });
});
