import type { Protocol } from 'puppeteer';

import type { BrowserTab, DocumentAnswer } from './browser-tab.js';
import type { CdpSession } from './cdp-connection.js';

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
    // A page may be painted long before it is loaded, or never be loaded.
    const painted = await firstPaint(cdp);
    try {
      return await tab.navigate(url, timeoutMs, wantsAnswer, painted.promise);
    } finally {
      painted.cancel();
    }
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

/** Resolves when something of the next document in the tab is painted; never where nothing is. */
async function firstPaint(cdp: CdpSession): Promise<{ promise: Promise<void>; cancel: () => void }> {
  const { frameTree } = await cdp.send('Page.getFrameTree');
  const { id, loaderId } = frameTree.frame;
  await cdp.send('Page.setLifecycleEventsEnabled', { enabled: true });
  let cancel = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    const onEvent = (event: Protocol.Page.LifecycleEventEvent): void => {
      if (event.name === 'firstPaint' && event.frameId === id && event.loaderId !== loaderId) resolve();
    };
    cdp.on('Page.lifecycleEvent', onEvent);
    cancel = () => {
      cdp.off('Page.lifecycleEvent', onEvent);
      cdp.send('Page.setLifecycleEventsEnabled', { enabled: false }).catch(() => undefined);
    };
  });
  return { promise, cancel: () => cancel() };
}
