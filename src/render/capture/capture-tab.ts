import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { withTimeout } from '../../base/with-timeout.js';
import type { BrowserTab } from './browser-tab.js';
import type { FrameRingLayout } from './frame-ring.js';
import type { PictureGap } from './frame-latency.js';
import type { PageSize } from './page-geometry.js';
import type { ColourMatrix } from './video-frame.js';

const HTML =
  '<!doctype html><meta charset="utf-8"><title>capture</title><script type="module" src="/capture-page.js"></script>';
/** A browser that finds no tab of the title would wait for somebody to pick one. */
const OPEN_TIMEOUT_MS = 10_000;
/** The same where it is tried again. */
const TAKE_TIMEOUT_MS = 4_000;

/** What a tab captures, and in which size. */
export interface CaptureTabFormat {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  /** Size to ask the capturer for, pixels. */
  readonly captured: PageSize;
  readonly layout: FrameRingLayout;
}

/** What it is to take. */
export interface CaptureTabKinds {
  readonly video: boolean;
  readonly audio: boolean;
}

export interface CaptureTabListener {
  /** Nothing more comes of it. Not after it was abandoned. */
  onLost(message: string): void;
  /** Something came that could not be used. */
  onWarned(message: string): void;
}

/** What it has taken so far, and the longest gap between two pictures since that was asked for last. */
export interface TabProgress {
  readonly pictures: number;
  readonly soundChunks: number;
  readonly gap?: PictureGap | undefined;
}

interface CaptureWindow {
  capture: {
    open(request: object): Promise<boolean>;
    measureMatrix(): Promise<ColourMatrix>;
    pause(): void;
    resume(): void;
    reconfigure(request: object): Promise<void>;
    progress(): Promise<TabProgress>;
    restSound(): void;
    forgoSound(): void;
    reopenSound(): Promise<void>;
    takeTab(): Promise<void>;
  };
}

/**
 * A tab whose script captures another one and writes what it gets into the shared files.
 *
 * Its documents are answered through request interception, at an origin that no resolver knows: no socket listens for them,
 * so the rendered page has nothing to reach.
 */
export class CaptureTab {
  readonly #tab: BrowserTab;
  #onLost: ((message: string) => void) | undefined;

  private constructor(tab: BrowserTab, onLost: (message: string) => void) {
    this.#tab = tab;
    this.#onLost = onLost;
  }

  /**
   * Loads the script in an empty tab; nothing is captured yet. The tab is closed if that fails.
   *
   * @param origin - two of the same find the same files.
   */
  static async load(tab: BrowserTab, origin: string, listener: CaptureTabListener): Promise<CaptureTab> {
    const captureTab = new CaptureTab(tab, (message) => listener.onLost(message));
    const { cdp } = tab;
    cdp.on('Fetch.requestPaused', ({ requestId, request }) => {
      answer(new URL(request.url).pathname)
        .then((response) => cdp.send('Fetch.fulfillRequest', { requestId, ...response }))
        .catch(() => undefined);
    });
    cdp.on('Runtime.bindingCalled', ({ name, payload }) => {
      if (name === 'captureFailed') captureTab.#onLost?.(payload);
      if (name === 'captureWarned') listener.onWarned(payload);
    });
    tab.watch((what) => {
      const onLost = captureTab.#onLost;
      // What waits for it would wait for ever.
      captureTab.abandon();
      onLost?.(`Its tab ${what === 'crashed' ? 'crashed' : 'was closed'}`);
    });
    const loaded = new Promise<void>((resolve) => cdp.once('Page.loadEventFired', () => resolve()));
    try {
      await Promise.all([
        cdp.send('Page.enable'),
        cdp.send('Inspector.enable'),
        cdp.send('Runtime.enable'),
        cdp.send('Runtime.addBinding', { name: 'captureFailed' }),
        cdp.send('Runtime.addBinding', { name: 'captureWarned' }),
        cdp.send('Fetch.enable', { patterns: [{ urlPattern: '*' }] }),
      ]);
      await tab.navigate(`${origin}/`, OPEN_TIMEOUT_MS);
      await withTimeout(loaded, OPEN_TIMEOUT_MS);
      return captureTab;
    } catch (error) {
      captureTab.abandon();
      throw error;
    }
  }

  /**
   * Begins to capture the tab that has the title that the browser was told at its start; paused at first.
   *
   * @returns whether there is sound.
   */
  open(format: CaptureTabFormat, kinds: CaptureTabKinds): Promise<boolean> {
    const opened = this.#tab.evaluate(
      (request) => (globalThis as unknown as CaptureWindow).capture.open(request),
      { ...format, ...kinds },
    );
    return withTimeout(opened, OPEN_TIMEOUT_MS);
  }

  /** By which the browser makes pictures. What is captured must be pure red meanwhile. */
  measureMatrix(): Promise<ColourMatrix> {
    const measured = this.#tab.evaluate(() =>
      (globalThis as unknown as CaptureWindow).capture.measureMatrix(),
    );
    return withTimeout(measured, OPEN_TIMEOUT_MS);
  }

  progress(): Promise<TabProgress> {
    return this.#tab.evaluate(() => (globalThis as unknown as CaptureWindow).capture.progress());
  }

  /** Takes no sound until it is taken anew. */
  async restSound(): Promise<void> {
    await this.#tab.evaluate(() => (globalThis as unknown as CaptureWindow).capture.restSound());
  }

  /** Takes no sound any more, also of other tabs. */
  async forgoSound(): Promise<void> {
    await this.#tab.evaluate(() => (globalThis as unknown as CaptureWindow).capture.forgoSound());
  }

  /** Takes the sound anew, from the tab that has the title. Rejects if it is not to be had. */
  async reopenSound(): Promise<void> {
    const reopened = this.#tab.evaluate(() => (globalThis as unknown as CaptureWindow).capture.reopenSound());
    await withTimeout(reopened, OPEN_TIMEOUT_MS);
  }

  /**
   * Has the tab that has the title now in place of the one before. Nothing of it is taken until {@link pause} and
   * {@link resume}. Rejects if it is not to be had.
   */
  async takeTab(): Promise<void> {
    const taken = this.#tab.evaluate(() => (globalThis as unknown as CaptureWindow).capture.takeTab());
    await withTimeout(taken, TAKE_TIMEOUT_MS);
  }

  async pause(): Promise<void> {
    await this.#tab.evaluate(() => (globalThis as unknown as CaptureWindow).capture.pause());
  }

  async resume(): Promise<void> {
    await this.#tab.evaluate(() => (globalThis as unknown as CaptureWindow).capture.resume());
  }

  async reconfigure(format: CaptureTabFormat): Promise<void> {
    await this.#tab.evaluate(
      (request) => (globalThis as unknown as CaptureWindow).capture.reconfigure(request),
      format,
    );
  }

  /** Closes it, whether it answers or not: what waits for it is rejected at once. Idempotent. */
  abandon(): void {
    this.#onLost = undefined;
    this.#tab.close().catch(() => undefined);
    this.#tab.cdp.detach().catch(() => undefined);
  }
}

interface DocumentResponse {
  readonly responseCode: number;
  readonly responseHeaders: { readonly name: string; readonly value: string }[];
  /** In base64. */
  readonly body: string;
}

async function answer(pathname: string): Promise<DocumentResponse> {
  switch (pathname) {
    case '/':
      return response(200, 'text/html', Buffer.from(HTML));
    case '/capture-page.js':
    case '/capture-worker.js':
      return response(200, 'text/javascript', await readFile(join(import.meta.dirname, 'page', pathname)));
    default:
      return response(404, 'text/plain', Buffer.alloc(0));
  }
}

function response(responseCode: number, contentType: string, body: Buffer): DocumentResponse {
  const responseHeaders = [
    { name: 'content-type', value: contentType },
    { name: 'content-length', value: String(body.length) },
  ];
  return { responseCode, responseHeaders, body: body.toString('base64') };
}
