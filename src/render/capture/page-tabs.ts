import type { Protocol } from 'puppeteer';

import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { TimeoutError, withTimeout } from '../../base/with-timeout.js';
import type { PageEvent } from '../../protocol/page-events.js';
import type { BrowserTab } from './browser-tab.js';
import type { CdpSession } from './cdp-connection.js';

/** How long a tab that was opened may take to say where it goes, ms. */
const URL_TIMEOUT_MS = 2_000;

export interface PageTabsParameters {
  readonly browser: CdpSession;
  /** The one that is shown. */
  readonly tab: BrowserTab;
  readonly newTabs: 'same' | 'block';
  /** Whether the controller has pressed something just now: a page may not open tabs by itself. */
  readonly isPressed: () => boolean;
  readonly emit: (event: PageEvent) => void;
  readonly logger: Logger;
}

/**
 * Tabs that the page opens, by whatever click: none of them is captured, so none stays. Where it was to go, the tab that
 * is shown goes, or the viewer is told that it was refused.
 */
export class PageTabs {
  readonly #parameters: PageTabsParameters;
  /** Before the page is loaded every tab is ours. */
  #isWatching = false;
  #closed = false;

  constructor(parameters: PageTabsParameters) {
    this.#parameters = parameters;
    parameters.browser.on('Target.targetCreated', ({ targetInfo }) => {
      if (!this.#isWatching || this.#closed || targetInfo.type !== 'page') return;
      this.#take(targetInfo).catch((thrown: unknown) => {
        parameters.logger.debug({ err: asError(thrown) }, 'a new tab was gone');
      });
    });
  }

  watch(): void {
    this.#isWatching = true;
  }

  close(): void {
    this.#closed = true;
  }

  async #take(target: Protocol.Target.TargetInfo): Promise<void> {
    const { browser, tab, newTabs, isPressed, emit } = this.#parameters;
    const isAsked = isPressed();
    const url = newTabs === 'same' && isAsked ? await urlOf(target, browser) : undefined;
    await browser.send('Target.closeTarget', { targetId: target.targetId });
    await tab.bringToFront();
    if (this.#closed) return;
    if (url === undefined) {
      emit({ type: 'refused', what: 'new_tab', message: 'The page may not open another tab' });
      return;
    }
    // By the page itself: so it can be gone back from, and the site learns where it came from.
    await tab.cdp.send('Runtime.evaluate', { expression: `location.assign(${JSON.stringify(url)})` });
  }
}

/** Undefined for a tab that goes nowhere: its opener would have to write into it. */
async function urlOf(target: Protocol.Target.TargetInfo, browser: CdpSession): Promise<string | undefined> {
  const isSet = (url: string): boolean => /^https?:/.test(url);
  if (isSet(target.url)) return target.url;
  let stop = (): void => undefined;
  const found = new Promise<string>((resolve) => {
    const look = ({ targetInfo }: Protocol.Target.TargetInfoChangedEvent): void => {
      if (targetInfo.targetId === target.targetId && isSet(targetInfo.url)) resolve(targetInfo.url);
    };
    browser.on('Target.targetInfoChanged', look);
    stop = () => browser.off('Target.targetInfoChanged', look);
  });
  try {
    return await withTimeout(found, URL_TIMEOUT_MS);
  } catch (error) {
    if (error instanceof TimeoutError) return undefined;
    throw error;
  } finally {
    stop();
  }
}
