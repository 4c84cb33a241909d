import type { Protocol } from 'puppeteer';

import { withTimeout } from '../../base/with-timeout.js';
import type { CdpConnection, CdpSession } from './cdp-connection.js';

const STATUS_WITHOUT_BODY = 'net::ERR_HTTP_RESPONSE_CODE_FAILURE';

/** What answered a navigation over HTTP. */
export interface DocumentAnswer {
  readonly url: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A tab that the browser shows: its first, or one that was opened. */
export class BrowserTab {
  readonly targetId: string;
  readonly cdp: CdpSession;
  readonly #browser: CdpSession;

  private constructor(connection: CdpConnection, cdp: CdpSession, targetId: string) {
    this.#browser = connection.browser;
    this.cdp = cdp;
    this.targetId = targetId;
  }

  /** The tab of a target that is there. */
  static async attach(connection: CdpConnection, targetId: string): Promise<BrowserTab> {
    return new BrowserTab(connection, await connection.attach(targetId), targetId);
  }

  /** The tab of a session that the browser has attached by itself. */
  static of(connection: CdpConnection, session: CdpSession): BrowserTab {
    return new BrowserTab(connection, session, session.target.targetId);
  }

  /** @param onLost - its renderer crashed, or the tab was closed; once. */
  watch(onLost: (what: 'crashed' | 'closed') => void): void {
    this.cdp.once('Inspector.targetCrashed', () => onLost('crashed'));
    this.cdp.once('disconnected', () => onLost('closed'));
  }

  /** Only a tab in front is painted. */
  async bringToFront(): Promise<void> {
    await this.cdp.send('Page.bringToFront');
  }

  /**
   * Loads a document and waits until it is parsed, with its frames and pictures perhaps still to come. `Page` must be
   * enabled.
   *
   * @param wantsAnswer - to know what answered, the browser must tell of every request meanwhile.
   * @param shown - it is enough when this has come, once the document has begun.
   * @returns undefined where nothing answered over HTTP, or it was not asked for.
   * @throws Error with Chromium's name of the network error in its message, or TimeoutError.
   */
  async navigate(
    url: string,
    timeoutMs: number,
    wantsAnswer = false,
    shown?: Promise<void>,
  ): Promise<DocumentAnswer | undefined> {
    let answer: DocumentAnswer | undefined;
    const onResponse = ({ type, response }: Protocol.Network.ResponseReceivedEvent): void => {
      if (type === 'Document') answer ??= { url: response.url, headers: lowerCased(response.headers) };
    };
    const parsed = this.#parsed();
    try {
      if (wantsAnswer) {
        this.cdp.on('Network.responseReceived', onResponse);
        await this.cdp.send('Network.enable', { maxPostDataSize: 0 });
      }
      await withTimeout(
        this.#load(url, shown === undefined ? parsed.promise : Promise.race([parsed.promise, shown])),
        timeoutMs,
      );
      return answer;
    } finally {
      parsed.cancel();
      this.cdp.off('Network.responseReceived', onResponse);
    }
  }

  /** @returns what the function gives, as JSON, also where it gives a promise; it counts as a gesture of the user. */
  async evaluate<A, R>(run: (argument: A) => R, argument?: A): Promise<Awaited<R>> {
    const { result, exceptionDetails } = await this.cdp.send('Runtime.evaluate', {
      expression: `(${run.toString()})(${argument === undefined ? '' : JSON.stringify(argument)})`,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    });
    if (exceptionDetails !== undefined) {
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    }
    return result.value as Awaited<R>;
  }

  async close(): Promise<void> {
    await this.#browser.send('Target.closeTarget', { targetId: this.targetId });
  }

  async #load(url: string, parsed: Promise<void>): Promise<void> {
    const { errorText } = await this.cdp.send('Page.navigate', { url });
    await this.cdp.send('Network.disable');
    // An answer without a body that says so by its status is an answer still.
    if (errorText !== undefined && errorText !== '' && errorText !== STATUS_WITHOUT_BODY)
      throw new Error(errorText);
    await parsed;
  }

  /** The next document of the tab itself is parsed. */
  #parsed(): { promise: Promise<void>; cancel: () => void } {
    let resolve: () => void = () => undefined;
    const promise = new Promise<void>((settle) => (resolve = settle));
    let isCommitted = false;
    // Both come from the renderer, one behind the other.
    const onNavigated = ({ frame }: Protocol.Page.FrameNavigatedEvent): void => {
      if (frame.parentId === undefined) isCommitted = true;
    };
    const onParsed = (): void => {
      if (isCommitted) resolve();
    };
    this.cdp.on('Page.frameNavigated', onNavigated);
    this.cdp.on('Page.domContentEventFired', onParsed);
    const cancel = (): void => {
      this.cdp.off('Page.frameNavigated', onNavigated);
      this.cdp.off('Page.domContentEventFired', onParsed);
    };
    return { promise, cancel };
  }
}

function lowerCased(headers: Protocol.Network.Headers): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
