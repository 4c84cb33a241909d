import { systemClock } from '../../base/clock.js';
import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { TokenBucket } from '../../base/token-bucket.js';
import { SerialQueue } from '../../base/serial-queue.js';
import type { PageEvent } from '../../protocol/page-events.js';
import { BrowserTab } from './browser-tab.js';
import type { CdpConnection, CdpSession } from './cdp-connection.js';
import type { GamepadState } from './page-scripts.js';
import { destinationOf, holdRequests } from './new-tab.js';
import type { PageTab } from './page-tab.js';

/** How long after a press a page may open a tab: Chromium's own lifetime of a user activation, ms. */
const ACTIVATION_MS = 5_000;
/** How often it is looked for new titles while there are several tabs, ms. */
const TELL_INTERVAL_MS = 1_000;
const MAX_TITLE_LENGTH = 200;
/** How often refusals are told: a page may try in a loop. */
const REFUSALS_AT_ONCE = 5;
const MAX_URL_LENGTH = 500;

export interface PageTabsParameters {
  readonly connection: CdpConnection;
  /** Title that a tab has for the moment in which the browser looks for it, and that nobody needs to see. */
  readonly captureTitle: string;
  readonly newTabs: 'tabs' | 'same' | 'block';
  readonly maxTabs: number;
  /** Prepares a tab that is halted; its commands are sent before it returns. */
  readonly prepare: (id: string, tab: BrowserTab, isOnlyTab: boolean) => Promise<PageTab>;
  /**
   * Captures this one from now on.
   *
   * @param onShown - called before the first picture of it, so that what a viewer sees and what the viewer's input goes to are the same.
   */
  readonly capture: (page: PageTab, onShown: () => void) => Promise<void>;
  /** The last one crashed, was closed, or cannot be captured. */
  readonly onLost: (what: 'crashed' | 'closed') => void;
  readonly emit: (event: PageEvent) => void;
  readonly logger: Logger;
}

/** The tabs of a page: which there are, and which of them is shown. */
export class PageTabs {
  readonly #parameters: PageTabsParameters;
  /** By id, in the order in which they were opened. */
  readonly #tabs = new Map<string, PageTab>();
  /** Those that were shown before, the latest last. */
  #formerly: PageTab[] = [];
  readonly #openers = new Map<PageTab, PageTab>();
  readonly #turns = new SerialQueue();
  /** Targets that are none of the page's, by id. */
  readonly #ours = new Set<string>();
  /** One of those is being opened: what arrives meanwhile may be it. */
  #opening: Promise<unknown> | undefined;
  readonly #refusals = new TokenBucket(systemClock, 1, REFUSALS_AT_ONCE);
  /** Tabs that have not gone yet, but will. */
  readonly #leaving = new Set<PageTab>();
  /** Halted tabs that are being prepared. */
  #arriving = 0;
  #count = 0;
  #shown: PageTab | undefined;
  /** The tab that is being captured in place of the one that is shown. */
  #next: PageTab | undefined;
  /** What the controller pressed last, and when; none once it has opened a tab. */
  #pressed: { readonly page: PageTab; readonly atMs: number } | undefined;
  #gamepads: readonly (GamepadState | null)[] = [];
  #telling: NodeJS.Timeout | undefined;
  #told = '';
  #closed = false;

  constructor(parameters: PageTabsParameters) {
    this.#parameters = parameters;
  }

  /** The first tab, which is shown. */
  async begin(tab: BrowserTab): Promise<PageTab> {
    const page = await this.#prepare(tab);
    this.#shown = page;
    this.#tabs.set(page.id, page);
    return page;
  }

  /** Takes tabs that the page opens from now on. Those that are there already are ours. */
  async watch(): Promise<void> {
    const { browser } = this.#parameters.connection;
    const filter = [{ type: 'page' }];
    const { targetInfos } = await browser.send('Target.getTargets', { filter });
    for (const { targetId } of targetInfos) this.#ours.add(targetId);
    const taken = new Set<string>();
    browser.on('sessionattached', (session) => {
      const { targetId, type } = session.target;
      // A further session of a tab is ours.
      if (type !== 'page' || taken.has(targetId)) return;
      taken.add(targetId);
      session.once('disconnected', () => {
        // A tab of ours has sessions of ours yet to come.
        if (!this.#ours.has(targetId)) taken.delete(targetId);
      });
      const take = (): Promise<void> => (this.#ours.has(targetId) ? session.detach() : this.#take(session));
      (this.#opening?.then(take) ?? take()).catch((thrown: unknown) =>
        this.#parameters.logger.debug({ err: asError(thrown) }, 'a tab was gone'),
      );
    });
    if (this.#parameters.newTabs === 'same')
      await browser.send('Target.setDiscoverTargets', { discover: true, filter });
    // A new tab stands still until it has our scripts.
    await browser.send('Target.setAutoAttach', {
      autoAttach: true,
      waitForDebuggerOnStart: true,
      flatten: true,
      filter,
    });
  }

  /** Opens an empty tab in the back that is none of the page's. */
  async openOwn(url: string): Promise<BrowserTab> {
    const { connection } = this.#parameters;
    const creating = connection.browser.send('Target.createTarget', { url, background: true });
    const opening = creating.then(
      ({ targetId }) => this.#ours.add(targetId),
      () => undefined,
    );
    this.#opening = opening;
    const { targetId } = await creating;
    if (this.#opening === opening) this.#opening = undefined;
    return BrowserTab.attach(connection, targetId);
  }

  get shown(): PageTab {
    if (this.#shown === undefined) throw new Error('There is no tab');
    return this.#shown;
  }

  /** Whether it is shown, or about to be, as one is that has just been opened. */
  isInFront(page: PageTab): boolean {
    return page === this.#shown || page === this.#next || !this.#isThere(page);
  }

  /** Does something with the tab that is shown; no other is shown meanwhile. */
  withShown<T>(work: (page: PageTab) => Promise<T>): Promise<T> {
    return this.#turns.run(() => work(this.shown));
  }

  /** What `navigator.getGamepads()` gives in every tab from now on. */
  setGamepads(gamepads: readonly (GamepadState | null)[]): void {
    this.#gamepads = gamepads;
    for (const page of this.#tabs.values()) page.controls.setGamepads(gamepads);
  }

  /** The controller has pressed something in this tab, which may open another. */
  press(page: PageTab): void {
    this.#pressed = { page, atMs: performance.now() };
  }

  /** What a controller asks for. A tab that is gone is no mistake of its. */
  async act(action: 'show' | 'close', id: string): Promise<void> {
    const page = this.#tabs.get(id);
    if (page === undefined) return;
    if (action === 'show') await this.#show(page);
    // The last one stays: the session has its own end.
    else if (this.leave(page)) await page.tab.close().catch(() => this.stay(page));
  }

  /** A tab is about to close. @returns whether it may: one stays, also where several want to close at the same time. */
  leave(page: PageTab): boolean {
    const others = [...this.#tabs.values()].filter((other) => other !== page && !this.#leaving.has(other));
    if (!this.#isThere(page) || others.length === 0) return false;
    this.#leaving.add(page);
    return true;
  }

  /** A tab that was about to close stays. */
  stay(page: PageTab): void {
    this.#leaving.delete(page);
  }

  /** One of them has gone. */
  lost(page: PageTab, what: 'crashed' | 'closed'): void {
    if (this.#closed || !this.#isThere(page)) return;
    this.#leaving.delete(page);
    if (this.#tabs.size === 1) {
      this.#lose(what);
      return;
    }
    this.#tabs.delete(page.id);
    this.#tellOnlyTab();
    this.#formerly = this.#formerly.filter((other) => other !== page);
    page.close();
    if (what === 'crashed') {
      this.#parameters.logger.warn({ tab: page.id }, 'a tab crashed and is closed');
      page.tab.close().catch(() => undefined);
    }
    const opener = this.#openers.get(page);
    this.#turns
      .run(async () => {
        if (this.#shown === page && !this.#closed) await this.#change(opener);
      })
      .catch((thrown: unknown) => {
        this.#parameters.logger.warn({ err: asError(thrown) }, 'no tab can be shown');
        this.#lose(what);
      });
    this.#openers.delete(page);
    this.#tell();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#telling);
    for (const page of this.#tabs.values()) page.close();
  }

  /** There is nothing to show any more. Once: tabs may go in one turn of the loop. */
  #lose(what: 'crashed' | 'closed'): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parameters.onLost(what);
  }

  #tellOnlyTab(): void {
    for (const page of this.#tabs.values()) page.controls.setOnlyTab(this.#tabs.size === 1);
  }

  async #prepare(tab: BrowserTab): Promise<PageTab> {
    this.#count += 1;
    const page = await this.#parameters.prepare(String(this.#count), tab, this.#tabs.size === 0);
    tab.watch((what) => this.lost(page, what));
    return page;
  }

  async #take(session: CdpSession): Promise<void> {
    const { connection, newTabs, maxTabs, emit, logger } = this.#parameters;
    const tab = BrowserTab.of(connection, session);
    if (this.#closed || !this.#takePress(session) || newTabs === 'block') {
      await this.#refuse(tab, 'The page may not open another tab');
    } else if (newTabs === 'same') {
      const url = await destinationOf(session, connection.browser);
      await tab.close();
      await this.shown.tab.bringToFront();
      // By the page itself: so it can be gone back from, and the site learns where it came from.
      if (url === undefined) this.#tellRefused('The page may not open another tab');
      else
        await this.shown.cdp.send('Runtime.evaluate', {
          expression: `location.assign(${JSON.stringify(url)})`,
        });
    } else if (this.#tabs.size + this.#arriving >= maxTabs) {
      await this.#refuse(tab, `The page may open no more tabs: there are ${maxTabs}`);
    } else {
      this.#arriving += 1;
      try {
        const preparing = this.#prepare(tab).finally(() => (this.#arriving -= 1));
        session.send('Runtime.runIfWaitingForDebugger').catch(() => undefined);
        const page = await preparing;
        this.#tabs.set(page.id, page);
        this.#tellOnlyTab();
        if (this.#gamepads.some((gamepad) => gamepad !== null)) page.controls.setGamepads(this.#gamepads);
        const { openerId } = session.target;
        const opener = [...this.#tabs.values()].find((other) => other.tab.targetId === openerId);
        this.#openers.set(page, opener ?? this.shown);
        await this.#show(page);
      } catch (thrown) {
        // One that closes itself at once has gone.
        await tab.close();
        logger.warn({ err: asError(thrown) }, 'a new tab cannot be shown');
        emit({ type: 'refused', what: 'new_tab', message: 'The new tab cannot be shown' });
      }
    }
  }

  async #refuse(tab: BrowserTab, message: string): Promise<void> {
    this.#tellRefused(message);
    // One that stands still halts its opener too, if they share a process.
    holdRequests(tab.cdp);
    await tab.close();
    await this.shown.tab.bringToFront();
  }

  #tellRefused(message: string): void {
    if (!this.#closed && this.#refusals.take(1))
      this.#parameters.emit({ type: 'refused', what: 'new_tab', message });
  }

  /** Whether a tab is asked for by a press of the controller in its opener. As in a browser: one press, one tab. */
  #takePress(session: CdpSession): boolean {
    const pressed = this.#pressed;
    if (pressed === undefined || performance.now() - pressed.atMs >= ACTIVATION_MS) return false;
    const { openerId } = session.target;
    // A tab that the browser itself opens for a click, or that may not know its opener, names none.
    if (openerId !== undefined && openerId !== pressed.page.tab.targetId) return false;
    this.#pressed = undefined;
    return true;
  }

  /** @throws Error where it cannot be captured. One that goes meanwhile is no failure. */
  #show(page: PageTab): Promise<void> {
    return this.#turns.run(async () => {
      if (this.#closed || this.#shown === page || !this.#isThere(page)) return;
      await this.#change(page);
      if (this.#shown !== page && this.#isThere(page)) throw new Error('The tab cannot be captured');
    });
  }

  /**
   * Shows this tab, or one that was shown before where it goes meanwhile, or cannot be captured. In its turn alone.
   *
   * @param wanted - undefined: one that was shown before.
   * @throws Error where no tab can be captured.
   */
  async #change(wanted: PageTab | undefined): Promise<void> {
    const tried = new Set<PageTab>();
    const before = this.#shown;
    let failure: unknown = new Error('There is no tab');
    let page = wanted !== undefined && this.#isThere(wanted) ? wanted : this.#successor(tried);
    while (page !== undefined && !this.#closed) {
      tried.add(page);
      this.#next = page;
      try {
        await page.toFront();
        await this.#capture(page);
        if (this.#isThere(page)) {
          this.#leaveBehind([before, ...tried]);
          this.#tell();
          return;
        }
      } catch (thrown) {
        failure = thrown;
        this.#parameters.logger.warn({ err: asError(thrown), tab: page.id }, 'a tab cannot be captured');
      } finally {
        this.#next = undefined;
      }
      page = this.#successor(tried);
    }
    if (!this.#closed) throw failure;
  }

  #capture(page: PageTab): Promise<void> {
    return this.#parameters.capture(page, () => {
      if (this.#isThere(page)) this.#settle(page);
    });
  }

  #leaveBehind(pages: readonly (PageTab | undefined)[]): void {
    for (const page of pages)
      if (page !== undefined && page !== this.#shown && this.#isThere(page)) page.toBack();
  }

  #isThere(page: PageTab): boolean {
    return this.#tabs.get(page.id) === page;
  }

  /** Among those that are not tried: the one that is shown, the one that was shown last, or any. */
  #successor(tried: ReadonlySet<PageTab>): PageTab | undefined {
    return [this.#shown, ...this.#formerly.toReversed(), ...this.#tabs.values()].find(
      (page) => page !== undefined && this.#isThere(page) && !tried.has(page),
    );
  }

  /** Its pictures come from now on, and input goes to it. */
  #settle(page: PageTab): void {
    const former = this.#shown;
    this.#shown = page;
    if (former !== undefined && former !== page && this.#isThere(former)) {
      this.#formerly = [...this.#formerly.filter((other) => other !== page && other !== former), former];
    }
    page.controls.show();
  }

  /** A single tab is not told, except that it is alone again. */
  #tell(): void {
    if (this.#closed || (this.#tabs.size < 2 && this.#told === '')) return;
    // No event tells of every title.
    this.#telling ??= setInterval(() => {
      this.#look().catch(() => undefined);
    }, TELL_INTERVAL_MS);
    this.#look().catch(() => undefined);
  }

  async #look(): Promise<void> {
    const { connection, captureTitle, emit } = this.#parameters;
    const { targetInfos } = await connection.browser.send('Target.getTargets', {
      filter: [{ type: 'page' }],
    });
    // Until another is shown in place of one that is gone.
    if (this.#closed || !this.#isThere(this.shown)) return;
    for (const page of this.#tabs.values()) {
      const info = targetInfos.find(({ targetId }) => targetId === page.tab.targetId);
      if (info === undefined || info.title.includes(captureTitle)) continue;
      page.title = info.title.slice(0, MAX_TITLE_LENGTH);
      page.url = locationOf(info.url);
    }
    const tabs = [...this.#tabs.values()].map(({ id, title, url }) => ({ id, title, url }));
    const told = JSON.stringify([this.shown.id, tabs]);
    if (tabs.length === 1) {
      clearInterval(this.#telling);
      this.#telling = undefined;
    }
    if (told === this.#told) return;
    this.#told = tabs.length === 1 ? '' : told;
    emit({ type: 'tabs', activeId: this.shown.id, tabs });
  }
}

/** Without user info, query and fragment, which often hold tokens. */
function locationOf(url: string): string {
  if (!URL.canParse(url)) return '';
  const { protocol, host, pathname } = new URL(url);
  const [text] = url.split(/[?#]/, 1);
  return (/^https?:$/.test(protocol) ? `${protocol}//${host}${pathname}` : (text ?? '')).slice(
    0,
    MAX_URL_LENGTH,
  );
}
