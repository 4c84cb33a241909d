import type { CDPSession, HTTPResponse, Page, Protocol } from 'puppeteer';

/**
 * Runs in every document first. The debugger stops there as long as it is enabled, which is during the first load alone;
 * frames of the page go on.
 */
const STOP_SCRIPT = 'if (window === window.top) debugger;';

/**
 * Loads the first document of the page so that it is the first in the tab's history: what the tab showed before it, by
 * which the capture was calibrated, is forgotten before any script of the page can look at `history`.
 *
 * @returns null where there was no answer over HTTP.
 * @throws Error when it does not load in time.
 */
export async function loadFirstDocument(
  page: Page,
  cdp: CDPSession,
  url: string,
  timeoutMs: number,
): Promise<HTTPResponse | null> {
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
    let answered: HTTPResponse | null = null;
    page.on('response', (response) => {
      if (response.request().isNavigationRequest() && response.frame() === page.mainFrame())
        answered = response;
    });
    const painted = await firstPaint(cdp);
    const loaded = page.goto(url, { waitUntil: 'domcontentloaded', timeout: timeoutMs });
    // A page may be painted long before it is loaded, or never be loaded.
    loaded.catch(() => undefined);
    try {
      return await Promise.race([loaded, painted.promise.then(() => answered)]);
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
async function firstPaint(cdp: CDPSession): Promise<{ promise: Promise<void>; cancel: () => void }> {
  await cdp.send('Page.enable');
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
