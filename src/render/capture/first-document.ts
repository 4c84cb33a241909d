import type { BrowserTab, DocumentAnswer } from './browser-tab.js';

/**
 * Runs in every document first. The debugger stops there as long as it is enabled, which is during the first load alone;
 * frames of the page go on.
 */
const STOP_SCRIPT = 'if (window === window.top) debugger;';

/**
 * Loads the first document of the page so that it is the first in the tab's history: what the tab showed before it, by
 * which the capture was calibrated, is forgotten before any script of the page can look at `history`.
 *
 * @param wantsAnswer - as in `BrowserTab.navigate`, whose result this is.
 * @throws Error when it does not load in time.
 */
export async function loadFirstDocument(
  tab: BrowserTab,
  url: string,
  timeoutMs: number,
  wantsAnswer: boolean,
): Promise<DocumentAnswer | undefined> {
  const { cdp } = tab;
  const stops = { count: 0 };
  const onPaused = (): void => {
    stops.count++;
    // The debugger goes in any case: a page must not stay halted, whatever else fails.
    void cdp
      .send('Page.resetNavigationHistory')
      .catch(() => undefined)
      .then(() => cdp.send('Debugger.disable'))
      .catch(() => undefined);
  };
  await cdp.send('Debugger.enable');
  const { identifier } = await cdp.send('Page.addScriptToEvaluateOnNewDocument', { source: STOP_SCRIPT });
  cdp.once('Debugger.paused', onPaused);
  try {
    return await tab.navigate(url, timeoutMs, wantsAnswer);
  } finally {
    cdp.off('Debugger.paused', onPaused);
    await Promise.allSettled([
      cdp.send('Page.removeScriptToEvaluateOnNewDocument', { identifier }),
      cdp.send('Debugger.disable'),
      // A document without scripts, such as a picture, does not stop.
      ...(stops.count > 0 ? [] : [cdp.send('Page.resetNavigationHistory')]),
    ]);
  }
}
