import type { Browser, Page, Target } from 'puppeteer';

import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { PageEvent } from '../../protocol/page-events.js';

/** How long a tab that was opened may take to say where it goes, ms. */
const URL_TIMEOUT_MS = 2_000;

export interface PageTabsParameters {
  readonly browser: Browser;
  /** The tab that is shown. */
  readonly page: Page;
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
    parameters.browser.on('targetcreated', (target) => {
      if (!this.#isWatching || this.#closed || target.type().toString() !== 'page') return;
      this.#take(target).catch((thrown: unknown) => {
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

  async #take(target: Target): Promise<void> {
    const { page, newTabs, isPressed, emit } = this.#parameters;
    const isAsked = isPressed();
    const tab = await target.page();
    if (tab === null) return;
    const url = newTabs === 'same' && isAsked ? await urlOf(target, this.#parameters.browser) : undefined;
    await tab.close();
    await page.bringToFront();
    if (this.#closed) return;
    if (url === undefined) {
      emit({ type: 'refused', what: 'new_tab', message: 'The page may not open another tab' });
      return;
    }
    // By the page itself: so it can be gone back from, and the site learns where it came from.
    const source = `location.assign(${JSON.stringify(url)})`;
    await page.evaluate(source);
  }
}

/** Undefined for a tab that goes nowhere: its opener would have to write into it. */
async function urlOf(target: Target, browser: Browser): Promise<string | undefined> {
  const isSet = (): boolean => /^https?:/.test(target.url());
  if (!isSet()) {
    await browser
      .waitForTarget((candidate) => candidate === target && isSet(), { timeout: URL_TIMEOUT_MS })
      .catch(() => undefined);
  }
  return isSet() ? target.url() : undefined;
}
