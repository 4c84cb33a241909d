import { randomBytes } from 'node:crypto';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';

import { asError } from '../../base/errors.js';
import { withTimeout } from '../../base/with-timeout.js';
import { MAX_PRELOAD_BYTES } from '../../options/pool-options.js';
import { BrowserProcess } from './browser-process.js';
import { BrowserTab } from './browser-tab.js';
import type { CdpSession } from './cdp-connection.js';
import { deviceMetrics } from './page-geometry.js';
import { PageWorld } from './page-world.js';
import type { BrowserShape, ReadyBrowserOptions } from './ready-browser.js';

/** No page is begun after this, ms. */
const PRELOAD_TIMEOUT_MS = 30_000;
/** Until one has loaded, ms. */
const LOAD_TIMEOUT_MS = 15_000;
/** Then it may go on loading until it has been quiet for half a second, but no longer than this, ms. */
const QUIET_TIMEOUT_MS = 3_000;
/** For a browser that no longer answers: longer than a page may take, ms. */
const TAB_TIMEOUT_MS = 25_000;
/** Of the tabs that are ours. */
const OWN_URL = `about:blank#${randomBytes(16).toString('hex')}`;
/** V8 keeps the code of a script that it compiles a second time. */
const PASSES = 2;
/** The profile of the browser of a preload, below that of the browser that is made ready. */
const FOLDER = 'preload';
/** What is kept of a profile. */
const CACHES = ['Cache', 'Code Cache'];

/** How many pages were loaded into the caches, and how many could not be. */
export interface PreloadCounts {
  readonly loaded: number;
  readonly failed: number;
}

/** Ends a preload that loads too much. */
class ByteBudget {
  #left = MAX_PRELOAD_BYTES;
  readonly #spent: Promise<never>;
  #reject: (error: Error) => void = () => undefined;

  constructor() {
    this.#spent = new Promise((_resolve, reject) => (this.#reject = reject));
    this.#spent.catch(() => undefined);
  }

  get isSpent(): boolean {
    return this.#left < 0;
  }

  take(bytes: number): void {
    this.#left -= bytes;
    if (this.isSpent) this.#reject(new Error(`The pages load more than ${MAX_PRELOAD_BYTES} bytes`));
  }

  /** Rejects once it is spent. */
  during<T>(work: Promise<T>): Promise<T> {
    return Promise.race([this.#spent, work]);
  }
}

/**
 * Loads pages in a browser of their own, in the same world and under the same policy as the browser that is to be launched with
 * `options.profileDirectory`, and leaves that one the HTTP cache and the compiled scripts. Everything else that the pages have left ends
 * with the browser that they were in: cookies, storage, service workers, permissions, credentials.
 *
 * The pages are loaded without `page.cookies`, `page.headers`, `page.httpCredentials` and `page.permissions`, so that a cache has what
 * anybody would get.
 *
 * @throws the reason of the signal, if it is given up. Every other failure is logged and counted.
 */
export async function preloadCaches(
  options: ReadyBrowserOptions,
  shape: BrowserShape,
  urls: readonly string[],
  signal: AbortSignal,
): Promise<PreloadCounts> {
  const failed = new Set<string>();
  try {
    await preload(options, shape, urls, failed, signal);
  } catch (error) {
    signal.throwIfAborted();
    for (const url of urls) failed.add(url);
    options.logger.warn({ err: asError(error) }, 'nothing could be loaded ahead into a spare browser');
  }
  const all = new Set(urls).size;
  return { loaded: all - failed.size, failed: failed.size };
}

async function preload(
  options: ReadyBrowserOptions,
  { deviceScaleFactor, page = {}, upstreamProxy, ...format }: BrowserShape,
  urls: readonly string[],
  failed: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  const profileDirectory = join(options.profileDirectory, FOLDER);
  await mkdir(profileDirectory, { mode: 0o700 });
  const { cookies: _cookies, headers: _headers, httpCredentials: _credentials, ...rest } = page;
  const world = { ...rest, permissions: [] };
  const captureTitle = `preload-${randomBytes(16).toString('hex')}`;
  const browserProcess = await BrowserProcess.launch(
    { ...options, profileDirectory, captureTitle, deviceScaleFactor, page: world, upstreamProxy },
    () => undefined,
    signal,
  );
  const abort = (): void => void browserProcess.close();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const { connection } = browserProcess;
    await connection.browser.send('Browser.setDownloadBehavior', { behavior: 'deny' });
    await closeOtherTabs(browserProcess);
    const budget = new ByteBudget();
    const endsAtMs = performance.now() + PRELOAD_TIMEOUT_MS;
    const prepare = async (tab: BrowserTab, url: string): Promise<void> => {
      const { cdp } = tab;
      const metrics = deviceMetrics(format, deviceScaleFactor);
      const prepared = await PageWorld.prepare(connection.browser, cdp, url, world, options.logger);
      await Promise.all([
        cdp.send('Emulation.setDeviceMetricsOverride', metrics),
        cdp.send('Emulation.setFocusEmulationEnabled', { enabled: true }),
        prepared.install(cdp),
      ]);
    };
    for (let pass = 0; pass < PASSES; pass++) {
      for (const url of new Set(urls)) {
        if (failed.has(url)) continue;
        signal.throwIfAborted();
        try {
          if (performance.now() > endsAtMs || budget.isSpent) throw new Error('The bounds are reached');
          const inTab = withNewTab(browserProcess, async (tab) => {
            const loading = prepare(tab, url).then(() => load(tab, url, budget));
            await withTimeout(budget.during(loading), LOAD_TIMEOUT_MS + QUIET_TIMEOUT_MS);
          });
          await withTimeout(inTab, TAB_TIMEOUT_MS);
        } catch (error) {
          // The second time it is in the HTTP cache already.
          if (pass === 0) failed.add(url);
          const { origin } = new URL(url);
          options.logger.warn({ err: asError(error), origin }, 'a page could not be loaded ahead');
        }
      }
    }
    signal.throwIfAborted();
    // By itself, so that its caches are written down.
    await browserProcess.quit();
    await keepCaches(profileDirectory, options.profileDirectory);
  } finally {
    signal.removeEventListener('abort', abort);
    await browserProcess.close();
  }
}

/** A tab that a page opens would load beside it, and nobody counts what. */
async function closeOtherTabs({ connection: { browser }, tab }: BrowserProcess): Promise<void> {
  browser.on('Target.targetCreated', ({ targetInfo: { targetId, type, url } }) => {
    if (type === 'page' && targetId !== tab.targetId && url !== OWN_URL)
      browser.send('Target.closeTarget', { targetId }).catch(() => undefined);
  });
  await browser.send('Target.setDiscoverTargets', { discover: true, filter: [{ type: 'page' }] });
}

/** Its renderer has nothing in its memory yet. It is closed behind the work, and with it all that it still loads. */
async function withNewTab(
  { connection }: BrowserProcess,
  work: (tab: BrowserTab) => Promise<void>,
): Promise<void> {
  const { targetId } = await connection.browser.send('Target.createTarget', { url: OWN_URL });
  try {
    await work(await BrowserTab.attach(connection, targetId));
  } finally {
    await connection.browser.send('Target.closeTarget', { targetId }).catch(() => undefined);
  }
}

async function load({ cdp }: BrowserTab, url: string, budget: ByteBudget): Promise<void> {
  cdp.on('Page.javascriptDialogOpening', () => {
    cdp.send('Page.handleJavaScriptDialog', { accept: false }).catch(() => undefined);
  });
  await Promise.all([cdp.send('Page.enable'), countBytes(cdp, budget)]);
  const { frameTree } = await cdp.send('Page.getFrameTree');
  let status = 0;
  cdp.on('Network.responseReceived', ({ type, frameId, response }) => {
    if (type === 'Document' && frameId === frameTree.frame.id) status = response.status;
  });
  const reached = (name: string): Promise<void> =>
    new Promise((resolve) => {
      cdp.on('Page.lifecycleEvent', (event) => {
        const { id, loaderId } = frameTree.frame;
        if (event.name === name && event.frameId === id && event.loaderId !== loaderId) resolve();
      });
    });
  const loaded = reached('load');
  const quiet = reached('networkIdle');
  await cdp.send('Page.setLifecycleEventsEnabled', { enabled: true });
  const { errorText = '' } = await cdp.send('Page.navigate', { url });
  if (errorText !== '') throw new Error(errorText);
  await withTimeout(loaded, LOAD_TIMEOUT_MS);
  if (status >= 400) throw new Error(`It was answered with status ${status}`);
  // One that keeps a request open is never quiet.
  await withTimeout(quiet, QUIET_TIMEOUT_MS).catch(() => undefined);
}

/** Of the tab, its frames of other sites and its workers, but for what comes from the cache. */
async function countBytes(cdp: CdpSession, budget: ByteBudget): Promise<void> {
  const cached = new Set<string>();
  cdp.on('Network.responseReceived', ({ requestId, response }) => {
    if (response.fromDiskCache === true) cached.add(requestId);
  });
  cdp.on('Network.dataReceived', ({ requestId, dataLength }) => {
    if (!cached.has(requestId)) budget.take(dataLength);
  });
  cdp.on('sessionattached', (part) => {
    const run = (): Promise<void> => part.send('Runtime.runIfWaitingForDebugger');
    countBytes(part, budget)
      .then(run, run)
      .catch(() => undefined);
  });
  await cdp.send('Network.enable', { maxPostDataSize: 0 });
  await cdp.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: true, flatten: true });
}

async function keepCaches(from: string, to: string): Promise<void> {
  await mkdir(join(to, 'Default'), { mode: 0o700 });
  for (const cache of CACHES) {
    await rename(join(from, 'Default', cache), join(to, 'Default', cache)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
  }
}
