import type { Logger } from '../../base/logger.js';
import type { BrowserTab } from './browser-tab.js';
import type { CdpSession } from './cdp-connection.js';
import type { PageBridge } from './page-bridge.js';
import { type PageControlsListener, TabControls } from './page-controls.js';
import type { PageDialogs, TabDialogs } from './page-dialogs.js';
import type { PageFiles } from './page-files.js';
import { watchHeap } from './page-memory.js';
import { deviceMetrics, pageGeometry, type PageSize } from './page-geometry.js';
import type { PagePrompts } from './page-prompts.js';
import type { ScriptNames } from './page-scripts.js';
import type { PageWorld } from './page-world.js';

/** The window around the page is as small as can be; pages that ask for its size mean that of the page. */
const WINDOW_SIZE_SCRIPT = `for (const side of ['Width', 'Height']) {
  const name = 'outer' + side;
  const descriptor = { enumerable: true, configurable: true };
  // As in Web IDL's [Replaceable].
  const set = (value) => Object.defineProperty(window, name, { value, writable: true, ...descriptor });
  Object.defineProperty(window, name, { get: () => window['inner' + side], set, ...descriptor });
}`;

/** What all tabs of a session share. */
export interface PageTabParts {
  readonly bridge: PageBridge;
  readonly world: PageWorld;
  readonly names: ScriptNames;
  /** Whether images are told that the page copies. */
  readonly copiesImages: boolean;
  readonly prompts: PagePrompts;
  readonly dialogs: PageDialogs;
  readonly files: PageFiles;
  /** Size of the picture now, pixels. */
  readonly size: () => PageSize;
  readonly deviceScaleFactor: number;
  readonly isShown: (tab: PageTab) => boolean;
  /** Whether it is shown, or about to be. */
  readonly isInFront: (tab: PageTab) => boolean;
  /** The page wants to close its tab. @returns whether it may. */
  readonly onClosing: (tab: PageTab) => boolean;
  /** The page might have closed its tab, but did not. */
  readonly onStays: (tab: PageTab) => void;
  /** Something was pressed in the tab that is shown. */
  readonly onPress: (tab: PageTab) => void;
  readonly listener: PageControlsListener;
  readonly logger: Logger;
}

/** One tab of the page: the first, or one that the page has opened. */
export class PageTab {
  /** Names it to viewers. */
  readonly id: string;
  readonly tab: BrowserTab;
  title = '';
  /** Without user info, query and fragment. */
  url = '';
  readonly #parts: PageTabParts;
  #controls: TabControls | undefined;
  #dialogs: TabDialogs | undefined;
  #isReloaded = false;

  private constructor(id: string, tab: BrowserTab, parts: PageTabParts) {
    this.id = id;
    this.tab = tab;
    this.#parts = parts;
  }

  /**
   * Prepares a tab for every document that it loads from now on. The commands are sent before it returns: those of a tab
   * that is halted are answered when it runs.
   *
   * @param isOnlyTab - at first; see {@link TabControls.setOnlyTab}.
   */
  static async prepare(
    id: string,
    tab: BrowserTab,
    isOnlyTab: boolean,
    parts: PageTabParts,
  ): Promise<PageTab> {
    const page = new PageTab(id, tab, parts);
    const { cdp } = tab;
    const { bridge, world, names, prompts, dialogs, files, listener, logger, size, deviceScaleFactor } =
      parts;
    page.#dialogs = dialogs.watch(cdp, () => parts.isInFront(page));
    const preparing = Promise.all([
      bridge.install(cdp),
      world.install(cdp),
      page.resize(),
      cdp.send('Inspector.enable'),
      watchHeap(cdp),
      cdp.send('Page.addScriptToEvaluateOnNewDocument', {
        source: WINDOW_SIZE_SCRIPT,
        runImmediately: true,
      }),
    ]);
    // Last, since it reports a page that started before all of this was there.
    const installing = TabControls.install({
      cdp,
      shown: () => pageGeometry(size(), deviceScaleFactor).shown,
      ...{ prompts, copiesImages: parts.copiesImages },
      names: { ...names, isOnlyTab },
      onBridge: (payload, atMs) => bridge.receive(payload, atMs),
      isShown: () => parts.isShown(page),
      onPress: () => parts.onPress(page),
      onClosing: () => parts.onClosing(page),
      onStays: () => parts.onStays(page),
      onLate: () => page.#reload(),
      prepareSession: (session) => files.watch(session, () => parts.isShown(page)),
      listener,
      logger,
    });
    [page.#controls] = await Promise.all([installing, preparing]);
    return page;
  }

  get cdp(): CdpSession {
    return this.tab.cdp;
  }

  get controls(): TabControls {
    if (this.#controls === undefined) throw new Error('The tab is not prepared');
    return this.#controls;
  }

  /** A dialog is open: the page does not run, and is not expected to answer. */
  get isHalted(): boolean {
    return this.#dialogs?.isOpen === true;
  }

  /** The page sees the viewport that belongs to the size of the picture now, as in a window that is resized. */
  async resize(): Promise<void> {
    const { size, deviceScaleFactor } = this.#parts;
    await this.cdp.send('Emulation.setDeviceMetricsOverride', deviceMetrics(size(), deviceScaleFactor));
  }

  /** Has it painted, whether anything changed or not. Resolves when the browser has the picture. */
  async paint(): Promise<void> {
    await this.cdp.send('Page.captureScreenshot', { format: 'jpeg', quality: 1, optimizeForSpeed: true });
  }

  /** It is the one in front, and has the focus. */
  async toFront(): Promise<void> {
    await Promise.all([
      this.resize(),
      this.cdp.send('Emulation.setFocusEmulationEnabled', { enabled: true }),
      this.tab.bringToFront(),
    ]);
  }

  /** Another is in front now. */
  toBack(): void {
    this.controls.hide();
    this.#dialogs?.dismiss();
    // It may have gone.
    this.cdp.send('Emulation.setFocusEmulationEnabled', { enabled: false }).catch(() => undefined);
  }

  close(): void {
    this.#controls?.close();
  }

  /**
   * On a busy machine the browser sometimes lets the first document of a new tab run before its renderer has had all of our
   * commands: those that are not answered when the tab changes its process are sent to the next one once the document is
   * there. Then that document is loaded again.
   */
  #reload(): void {
    if (this.#isReloaded) return;
    this.#isReloaded = true;
    this.#parts.logger.info({ tab: this.id }, 'a new tab is loaded again, since it ran too early');
    this.cdp.send('Page.reload').catch(() => undefined);
  }
}
