import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import puppeteer, { type Browser, type Page } from 'puppeteer';

import { PATIENCE_MS } from './patience.js';
import { root } from './product.js';
import type { CreatedSession, TestServer } from './test-server.js';
import type { ViewerNetwork } from './viewer-network.js';

const { findBrowser } = (await import(
  join(root, 'dist', 'render', 'capture', 'browser-discovery.js')
)) as typeof import('../../src/render/capture/browser-discovery.js');

/** A real Chromium as the viewer's browser. */
export class ViewerBrowser {
  readonly browser: Browser;
  readonly #profile: string;

  private constructor(browser: Browser, profile: string) {
    this.browser = browser;
    this.#profile = profile;
  }

  static async launch(): Promise<ViewerBrowser> {
    const profile = await mkdtemp(join(tmpdir(), 'viewer-'));
    const browser = await puppeteer.launch({
      executablePath: await findBrowser(),
      pipe: true,
      timeout: 2 * PATIENCE_MS,
      userDataDir: profile,
      ignoreDefaultArgs: ['--mute-audio'],
      args: [
        '--no-sandbox',
        '--autoplay-policy=no-user-gesture-required',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-quic',
        '--disable-sync',
        '--no-first-run',
        // Every viewer of a test is a tab, and only one tab is in front.
        '--disable-backgrounding-occluded-windows',
        '--disable-renderer-backgrounding',
        '--disable-background-timer-throttling',
      ],
    });
    return new ViewerBrowser(browser, profile);
  }

  /** Opens a fixture in a tab of its own; nothing is connected yet. */
  async open(server: Pick<TestServer, 'origin'>, fixture = 'viewer.html'): Promise<ViewerTab> {
    const page = await this.browser.newPage();
    await page.goto(`${server.origin}/fixtures/${fixture}`);
    await page.waitForFunction('window.ready === true');
    return new ViewerTab(page);
  }

  /** The same for a viewer whose media goes through a network of its own. */
  async openBehind(network: ViewerNetwork, server: Pick<TestServer, 'origin'>): Promise<ViewerTab> {
    const page = await this.browser.newPage();
    await network.standBeforeViewer(page);
    await page.goto(`${server.origin}/fixtures/viewer.html`);
    await page.waitForFunction('window.ready === true');
    return new ViewerTab(page);
  }

  async close(): Promise<void> {
    await this.browser.close();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** One viewer: the fixture page, driven from the test. */
export class ViewerTab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Attaches to a session; resolves when the server has said who the viewer is. */
  async connect(
    session: CreatedSession,
    options: {
      query?: string;
      collectHashes?: boolean;
      relay?: 'udp' | 'tcp';
      tcpPort?: number;
      directWay?: false;
    } = {},
  ): Promise<void> {
    await this.page.bringToFront();
    await this.page.evaluate(
      (url, viewerOptions) => {
        const scope = window as any;
        scope.viewer = new scope.Viewer(url, viewerOptions);
        return scope.viewer.open();
      },
      session.url,
      options,
    );
  }

  /** Resolves when a picture has been decoded and shown. */
  async firstPicture(timeoutMs = PATIENCE_MS): Promise<void> {
    await this.page.waitForFunction('window.video.videoWidth > 0 && window.video.currentTime > 0', {
      timeout: timeoutMs,
      polling: 20,
    });
  }

  /** Evaluates an expression in the viewer's page; `viewer` is the attached one. */
  async read<T>(expression: string): Promise<T> {
    return (await this.page.evaluate(expression)) as T;
  }

  /** Resolves when the expression, which may give a promise, is true in the viewer's page. */
  async until(expression: string, timeoutMs = PATIENCE_MS): Promise<void> {
    // Puppeteer's `waitForFunction` was seen to miss promises that came true while many of them were under way.
    const end = performance.now() + timeoutMs;
    while (!(await this.read<boolean>(expression))) {
      if (performance.now() > end) throw new Error(`not true within ${timeoutMs} ms: ${expression}`);
      await setTimeout(50);
    }
  }

  async close(): Promise<void> {
    await this.page.evaluate('window.viewer?.close()');
    await this.page.close();
  }
}
