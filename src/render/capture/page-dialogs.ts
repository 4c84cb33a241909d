import type { Protocol } from 'puppeteer';

import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { TokenBucket } from '../../base/token-bucket.js';
import { systemClock } from '../../base/clock.js';
import type { PageEvent } from '../../protocol/page-events.js';
import type { CdpSession } from './cdp-connection.js';
import type { PagePrompts } from './page-prompts.js';

/** The longest message or default text, UTF-16 units. */
const MAX_TEXT_LENGTH = 4096;
/** A page that opens dialogs in a loop gets this many in a row, and then one in five seconds. */
const DIALOGS_AT_ONCE = 10;
const DIALOGS_PER_SECOND = 0.2;

export interface PageDialogsParameters {
  readonly prompts: PagePrompts;
  readonly emit: (event: PageEvent) => void;
  readonly logger: Logger;
}

/** The dialogs of one tab. */
export interface TabDialogs {
  /** One is open: the page does not run, and is not expected to answer. */
  readonly isOpen: boolean;
  /** Answers those that are open harmlessly. */
  dismiss(): void;
}

/** The dialogs of a page: they go to its controller. Leaving a page that wants to be asked is always permitted. */
export class PageDialogs {
  readonly #parameters: PageDialogsParameters;
  readonly #rate = new TokenBucket(systemClock, DIALOGS_PER_SECOND, DIALOGS_AT_ONCE);
  #isRefusing = false;
  /** Nobody can answer before the session is live, and a page that waits for an answer does not load. */
  isLive = false;

  constructor(parameters: PageDialogsParameters) {
    this.#parameters = parameters;
  }

  /** @param isInFront - what a tab behind another asks is dismissed: nobody sees what it is about. */
  watch(cdp: CdpSession, isInFront: () => boolean): TabDialogs {
    const open = new Set<string>();
    cdp.on('Page.javascriptDialogOpening', (dialog) => {
      this.#answer(cdp, dialog, isInFront, open).catch((thrown: unknown) => {
        this.#parameters.logger.debug({ err: asError(thrown) }, 'the dialog was gone');
      });
    });
    // Whoever has closed it: the page goes on, and the next dialog is another one.
    cdp.on('Page.javascriptDialogClosed', () => {
      for (const id of open) {
        open.delete(id);
        this.#parameters.prompts.withdraw(id);
      }
    });
    const dismiss = (): void => open.forEach((id) => this.#parameters.prompts.withdraw(id));
    cdp.once('disconnected', dismiss);
    return {
      get isOpen() {
        return open.size > 0;
      },
      dismiss,
    };
  }

  async #answer(
    cdp: CdpSession,
    dialog: Protocol.Page.JavascriptDialogOpeningEvent,
    isInFront: () => boolean,
    open: Set<string>,
  ): Promise<void> {
    const { type: kind, message, defaultPrompt = '' } = dialog;
    const close = (accept: boolean, promptText?: string): Promise<void> =>
      cdp.send('Page.handleJavaScriptDialog', {
        accept,
        ...(promptText === undefined ? {} : { promptText }),
      });
    if (kind === 'beforeunload') {
      await close(true);
      return;
    }
    if (!this.isLive || !isInFront() || !this.#admit()) {
      await close(false);
      return;
    }
    const { prompts } = this.#parameters;
    const { id, answer } = prompts.ask<'dialog'>((name) => ({
      type: 'dialog',
      id: name,
      kind,
      message: message.slice(0, MAX_TEXT_LENGTH),
      ...(kind === 'prompt' ? { defaultValue: defaultPrompt.slice(0, MAX_TEXT_LENGTH) } : {}),
    }));
    open.add(id);
    try {
      const { accept, text = '' } = await answer;
      if (open.has(id)) await close(accept, accept && kind === 'prompt' ? text : undefined);
    } finally {
      open.delete(id);
    }
  }

  #admit(): boolean {
    const isAdmitted = this.#rate.take(1);
    if (!isAdmitted && !this.#isRefusing) {
      const message = 'The page opens too many dialogs: they are dismissed for a while';
      this.#parameters.emit({ type: 'refused', what: 'dialog', message });
      this.#parameters.logger.warn({}, 'the page opens too many dialogs: some are dismissed');
    }
    this.#isRefusing = !isAdmitted;
    return isAdmitted;
  }
}
