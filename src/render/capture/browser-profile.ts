import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { withTimeout } from '../../base/with-timeout.js';
import type { ProfileState, StoredCookie, StoredOrigin } from '../../profiles/profile-state.js';
import type { BrowserProcess } from './browser-process.js';
import type { ProfileTarget } from './capture.js';
import { fillOrigins, readOrigins } from './origin-storage.js';
import { hostOf, type RenderedPage } from './rendered-page.js';
import { readCookies, setCookies, storeProfile } from './stored-profile.js';

const ANSWER_TIMEOUT_MS = 5_000;

/** What a browser gets of a profile before its page is loaded, beside the files that it has found. */
export async function fillBrowser(
  browserProcess: BrowserProcess,
  renderedPage: RenderedPage,
  { cookies, origins, imported }: ProfileState,
  logger: Logger,
): Promise<void> {
  // The latest comes first.
  renderedPage.visited.add(...origins.map(({ origin }) => origin).reverse());
  await setCookies(browserProcess.connection.browser, withoutServers(cookies, renderedPage), logger);
  if (!imported || origins.length === 0) return;
  const tab = await renderedPage.openOwnTab();
  await fillOrigins(tab, origins, logger);
  await tab.close();
}

/**
 * Ends a browser and stores its profile.
 *
 * @throws StreamKitError `too_large`, `disk_full`, `profile_failed`.
 */
export async function storeBrowserProfile(
  browserProcess: BrowserProcess,
  renderedPage: RenderedPage,
  target: ProfileTarget,
): Promise<void> {
  const { connection, profileDirectory } = browserProcess;
  try {
    browserProcess.retire();
    // One that has failed may not answer.
    await withTimeout(connection.browser.send('Browser.getVersion'), ANSWER_TIMEOUT_MS);
    const origins = await originsOf(renderedPage);
    // Those that end with the browser are in its memory alone.
    const cookies = withoutServers(await readCookies(connection.browser), renderedPage);
    renderedPage.close();
    await browserProcess.quit();
    await storeProfile(target, profileDirectory, { cookies, origins });
  } catch (thrown) {
    if (thrown instanceof StreamKitError) throw thrown;
    throw new StreamKitError('profile_failed', 'The profile cannot be stored', { cause: asError(thrown) });
  }
}

/** Those that the option `page.cookies` sets are the server's: a profile neither has nor replaces them. */
function withoutServers(
  cookies: readonly StoredCookie[],
  { serverCookies }: Pick<RenderedPage, 'serverCookies'>,
): StoredCookie[] {
  return cookies.filter(
    ({ name, domain }) => !serverCookies.some((own) => own.name === name && own.host === hostOf(domain)),
  );
}

/** For exports alone: what pages find again is in the browser's files. */
async function originsOf(renderedPage: RenderedPage): Promise<readonly StoredOrigin[]> {
  const { origins } = renderedPage.visited;
  return origins.length === 0 ? [] : readOrigins(await renderedPage.openOwnTab(), origins);
}
