import { randomBytes } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { StreamKitError } from '../../base/errors.js';
import type { BrowserProcess } from './browser-process.js';
import { BrowserTab } from './browser-tab.js';
import type { CaptureFormat } from './capture.js';
import type { ColourMatrix } from './video-frame.js';
import { audioFileBytes, frameRingLayout, videoFileBytes } from './frame-ring.js';
import type { PageSize } from './page-geometry.js';
import { withTimeout } from '../../base/with-timeout.js';

const HTML =
  '<!doctype html><meta charset="utf-8"><title>capture</title><script type="module" src="/capture-page.js"></script>';
const FILES_TIMEOUT_MS = 2_000;
/** A browser that finds no tab of the title would wait for somebody to pick one. */
const OPEN_TIMEOUT_MS = 10_000;
/** The same where it is tried again. */
const REOPEN_TIMEOUT_MS = 4_000;

export interface CapturePageParameters {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  /** Size to ask the capturer for, pixels. */
  readonly captured: PageSize;
  readonly video: boolean;
  readonly audio: boolean;
}

export interface RingPaths {
  readonly video: string;
  readonly credits: string;
  readonly audio: string;
}

interface OpenedCapture {
  readonly audio: boolean;
  readonly matrix: ColourMatrix;
}

interface CaptureWindow {
  capture: {
    open(request: object): Promise<OpenedCapture>;
    pause(): void;
    resume(): void;
    reconfigure(request: object): Promise<void>;
    progress(): Promise<{ readonly pictures: number; readonly soundChunks: number }>;
    reopenSound(): Promise<void>;
    reopen(): Promise<void>;
  };
}

/**
 * The second tab: it captures the first one and writes what it gets into the shared files.
 *
 * Its documents are answered through request interception, at an origin of a random name that no resolver knows:
 * no socket listens for them, so the rendered page has nothing to reach.
 */
export class CapturePage {
  readonly paths: RingPaths;
  readonly hasAudio: boolean;
  readonly matrix: ColourMatrix;
  readonly #tab: BrowserTab;
  readonly #hasVideo: boolean;
  #running = false;

  private constructor(tab: BrowserTab, paths: RingPaths, opened: OpenedCapture, hasVideo: boolean) {
    this.#tab = tab;
    this.#hasVideo = hasVideo;
    this.paths = paths;
    this.hasAudio = opened.audio;
    this.matrix = opened.matrix;
  }

  /**
   * Opens the tab and begins to capture the one whose title the browser was told at its start; paused at first.
   * @param onFailed - the browser ended the capture.
   * @param onWarned - something came that could not be used.
   * @throws StreamKitError `capture_failed` where tab capture is not to be had.
   */
  static async open(
    browserProcess: BrowserProcess,
    parameters: CapturePageParameters,
    onFailed: (message: string) => void,
    onWarned: (message: string) => void,
  ): Promise<CapturePage> {
    const origin = `https://${randomBytes(16).toString('hex')}.invalid`;
    const { connection, profileDirectory, tab: renderedTab } = browserProcess;
    browserProcess.hideOrigin(origin);
    const tab = await BrowserTab.open(connection);
    const { cdp } = tab;
    cdp.on('Fetch.requestPaused', ({ requestId, request }) => {
      answer(new URL(request.url).pathname)
        .then((response) => cdp.send('Fetch.fulfillRequest', { requestId, ...response }))
        .catch(() => undefined);
    });
    cdp.on('Runtime.bindingCalled', ({ name, payload }) => {
      if (name === 'captureFailed') onFailed(payload);
      if (name === 'captureWarned') onWarned(payload);
    });
    const loaded = new Promise<void>((resolve) => cdp.once('Page.loadEventFired', () => resolve()));
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
    await renderedTab.bringToFront();
    const layout = frameRingLayout(parameters.width, parameters.height);
    try {
      const opened = await withTimeout(
        tab.evaluate((request) => (globalThis as unknown as CaptureWindow).capture.open(request), {
          ...parameters,
          layout,
        }),
        OPEN_TIMEOUT_MS,
      );
      const paths = await findFiles(join(profileDirectory, 'Default', 'File System'), {
        video: videoFileBytes(layout),
        credits: layout.creditsFileBytes,
        audio: audioFileBytes(layout),
      });
      cdp.once('Inspector.targetCrashed', () => onFailed('Its tab crashed'));
      return new CapturePage(tab, paths, opened, parameters.video);
    } catch (error) {
      await tab.close().catch(() => undefined);
      throw new StreamKitError('capture_failed', 'The browser refused to capture the tab', { cause: error });
    }
  }

  /** It takes pictures and sound, or is about to. */
  get running(): boolean {
    return this.#running;
  }

  /** What it has taken so far; undefined: it takes none of that kind. */
  async progress(): Promise<{ pictures: number | undefined; soundChunks: number | undefined }> {
    const { pictures, soundChunks } = await this.#tab.evaluate(() =>
      (globalThis as unknown as CaptureWindow).capture.progress(),
    );
    return {
      pictures: this.#hasVideo ? pictures : undefined,
      soundChunks: this.hasAudio ? soundChunks : undefined,
    };
  }

  /** Takes the sound anew, from the tab that has the title that the browser was told. Rejects if it is not to be had. */
  async reopenSound(): Promise<void> {
    const reopened = this.#tab.evaluate(() => (globalThis as unknown as CaptureWindow).capture.reopenSound());
    await withTimeout(reopened, OPEN_TIMEOUT_MS);
  }

  /** Takes pictures and sound of the tab that has the title now, in place of the one before. Rejects if it is not to be had. */
  async reopen(): Promise<void> {
    const reopened = this.#tab.evaluate(() => (globalThis as unknown as CaptureWindow).capture.reopen());
    await withTimeout(reopened, REOPEN_TIMEOUT_MS);
  }

  async pause(): Promise<void> {
    this.#running = false;
    await this.#tab.evaluate(() => (globalThis as unknown as CaptureWindow).capture.pause());
  }

  /**
   * @param captured - size to ask the capturer for, pixels.
   * @param resizeTab - called while no pictures are taken.
   */
  async reconfigure(
    format: CaptureFormat,
    captured: PageSize,
    resizeTab: () => Promise<void>,
  ): Promise<void> {
    const layout = frameRingLayout(format.width, format.height);
    // The tab first: with the next picture the browser then captures in the new size.
    await resizeTab();
    await this.#tab.evaluate(
      (request) => (globalThis as unknown as CaptureWindow).capture.reconfigure(request),
      { ...format, captured, layout },
    );
  }

  async resume(): Promise<void> {
    this.#running = true;
    await this.#tab.evaluate(() => (globalThis as unknown as CaptureWindow).capture.resume());
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

/** The browser names origin-private files by number, so they are told apart by their sizes. */
async function findFiles(folder: string, bytes: Record<keyof RingPaths, number>): Promise<RingPaths> {
  const deadline = performance.now() + FILES_TIMEOUT_MS;
  for (;;) {
    const found: Partial<Record<keyof RingPaths, string>> = {};
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((candidate) => candidate.isFile())) {
      const path = join(entry.parentPath, entry.name);
      const { size } = await stat(path);
      // LevelDB keeps small files of its own beside ours; ours are numbered, in folders of two digits.
      if (!/[\\/]\d{2}[\\/]\d{8}$/.test(path)) continue;
      for (const name of ['video', 'credits', 'audio'] as const) if (size === bytes[name]) found[name] = path;
    }
    const { video, credits, audio } = found;
    if (video !== undefined && credits !== undefined && audio !== undefined) return { video, credits, audio };
    if (performance.now() > deadline) {
      throw new StreamKitError('capture_failed', 'The shared files of the browser were not found');
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
