import { withTimeout } from '../../base/with-timeout.js';
import type { StoredOrigin } from '../../profiles/profile-state.js';
import type { BrowserTab } from './browser-tab.js';

/** Most origins whose local storage is read or filled. */
const MAX_ORIGINS = 100;
/** For all of them, ms. */
const TIMEOUT_MS = 5_000;

/** Reads the local storage of these origins, as far as there is time for it; those that have none are left out. */
export async function readOrigins(tab: BrowserTab, origins: Iterable<string>): Promise<StoredOrigin[]> {
  const found: StoredOrigin[] = [];
  await visit(tab, origins, async (origin) => {
    const items = await tab.evaluate(() =>
      Object.entries(
        (globalThis as unknown as { localStorage: Readonly<Record<string, string>> }).localStorage,
      ),
    );
    const localStorage = items.map(([name, value]) => ({ name, value }));
    if (localStorage.length > 0) found.push({ origin, localStorage });
  });
  return found;
}

/** Fills the local storage of these origins. */
export async function fillOrigins(tab: BrowserTab, origins: readonly StoredOrigin[]): Promise<void> {
  const byOrigin = new Map(origins.map((one) => [one.origin, one.localStorage]));
  await visit(tab, byOrigin.keys(), async (origin) => {
    await tab.evaluate(
      (items) => {
        const { localStorage } = globalThis as unknown as {
          localStorage: { setItem(name: string, value: string): void };
        };
        for (const { name, value } of items) localStorage.setItem(name, value);
      },
      byOrigin.get(origin) ?? [],
    );
  });
}

/** Opens an empty page of each origin, of which nothing leaves the browser. One that cannot be opened is left out. */
async function visit(
  { cdp }: BrowserTab,
  origins: Iterable<string>,
  work: (origin: string) => Promise<void>,
): Promise<void> {
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
  const all = async (): Promise<void> => {
    for (const origin of [...origins].slice(0, MAX_ORIGINS)) {
      await cdp
        .send('Page.navigate', { url: `${origin}/` })
        .then(() => work(origin))
        .catch(() => undefined);
    }
  };
  await withTimeout(all(), TIMEOUT_MS).catch(() => undefined);
}
