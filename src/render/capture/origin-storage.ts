import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { withTimeout } from '../../base/with-timeout.js';
import type { StoredOrigin } from '../../profiles/profile-state.js';
import type { BrowserTab } from './browser-tab.js';

/** Most origins whose local storage is read. */
const MAX_ORIGINS = 100;
/** For all that are read, ms. */
const READ_TIMEOUT_MS = 5_000;
/** For each that is filled, ms: nothing leaves the browser for it. */
const FILL_TIMEOUT_MS = 10_000;

/** Reads the local storage of these origins, as far as there is time for it; those that have none are left out. */
export async function readOrigins(tab: BrowserTab, origins: Iterable<string>): Promise<StoredOrigin[]> {
  const found: StoredOrigin[] = [];
  await interceptAll(tab);
  const read = async (origin: string): Promise<void> => {
    await tab.cdp.send('Page.navigate', { url: `${origin}/` });
    const items = await tab.evaluate(() =>
      Object.entries(
        (globalThis as unknown as { localStorage: Readonly<Record<string, string>> }).localStorage,
      ),
    );
    const localStorage = items.map(([name, value]) => ({ name, value }));
    if (localStorage.length > 0) found.push({ origin, localStorage });
  };
  const all = async (): Promise<void> => {
    for (const origin of [...origins].slice(0, MAX_ORIGINS)) await read(origin).catch(() => undefined);
  };
  await withTimeout(all(), READ_TIMEOUT_MS).catch(() => undefined);
  return found;
}

/**
 * Fills the local storage of these origins. An origin that the browser never shows is left out: one with a port that Chromium
 * refuses, or http where a host has only https.
 *
 * @throws StreamKitError `profile_failed` if an origin cannot store what it had, or not in time.
 */
export async function fillOrigins(
  tab: BrowserTab,
  origins: readonly StoredOrigin[],
  logger: Logger,
  timeoutMs = FILL_TIMEOUT_MS,
): Promise<void> {
  await interceptAll(tab);
  for (const one of origins) {
    try {
      if (!(await withTimeout(fillOrigin(tab, one), timeoutMs)))
        logger.warn({ origin: one.origin }, 'the browser shows no page of an origin of the profile');
    } catch (thrown) {
      const message = 'The local storage of the profile cannot be restored';
      throw new StreamKitError('profile_failed', message, { cause: asError(thrown) });
    }
  }
}

/** @returns false: the browser refuses the navigation or opens another origin in its place. */
async function fillOrigin(tab: BrowserTab, { origin, localStorage }: StoredOrigin): Promise<boolean> {
  const { errorText = '' } = await tab.cdp.send('Page.navigate', { url: `${origin}/` });
  // No request leaves the browser, so it is the browser that refuses: it would refuse a page that asks for it too.
  if (errorText !== '') return false;
  return tab.evaluate(
    ({ origin: wanted, items }) => {
      const page = globalThis as unknown as {
        origin: string;
        localStorage: { setItem(name: string, value: string): void };
      };
      if (page.origin !== wanted) return false;
      for (const { name, value } of items) page.localStorage.setItem(name, value);
      return true;
    },
    { origin, items: localStorage },
  );
}

/** Whatever the tab loads from now on is empty, and nothing leaves the browser. */
async function interceptAll({ cdp }: BrowserTab): Promise<void> {
  cdp.on('Fetch.requestPaused', ({ requestId }) => {
    const responseHeaders = [{ name: 'Content-Type', value: 'text/html' }];
    cdp
      .send('Fetch.fulfillRequest', { requestId, responseCode: 200, responseHeaders, body: '' })
      .catch(() => undefined);
  });
  await cdp.send('Fetch.enable', { patterns: [{ urlPattern: '*', requestStage: 'Request' }] });
  await cdp.send('Network.enable', { maxPostDataSize: 0 });
  // It would answer in place of us, with scripts of the page.
  await cdp.send('Network.setBypassServiceWorker', { bypass: true });
}
