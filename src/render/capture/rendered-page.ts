import { randomBytes } from 'node:crypto';

import { TimeoutError, withTimeout } from '../../base/with-timeout.js';

import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { type BrowserProcess, untilTitled } from './browser-process.js';
import type { BrowserTab } from './browser-tab.js';
import { PROXY_ERROR, PROXY_STATUS } from '../../egress/egress-proxy.js';
import { DEFAULT_TAB_OPTIONS } from '../../options/page-options.js';
import type { CapturedPage, CaptureParameters, SnapshotParameters } from './capture.js';
import { PageBridge, type PageBridgeListener } from './page-bridge.js';
import { loadFirstDocument } from './first-document.js';
import { loadFailure } from './load-failure.js';
import type { PageControls, PageControlsListener } from './page-controls.js';
import { PageTab, type PageTabParts } from './page-tab.js';
import { scriptNames } from './page-scripts.js';
import { PageTabs } from './page-tabs.js';
import { VisitedOrigins } from './visited-origins.js';
import { PageWorld } from './page-world.js';
import type { PageAnswer, PageEvent } from '../../protocol/page-events.js';
import { PageDialogs } from './page-dialogs.js';
import { PageDownloads } from './page-downloads.js';
import { PageFiles } from './page-files.js';
import { PagePrompts } from './page-prompts.js';
import { pageGeometry, type PageGeometry, type PageSize } from './page-geometry.js';
import type { ProgramInput } from './program-input.js';

/** Even on a full machine a page is painted within 8 s (see `Watchdog`); then the picture is compressed and read. */
const SNAPSHOT_TIMEOUT_MS = 15_000;
const JPEG_QUALITY = 85;
const TITLE_TIMEOUT_MS = 3_000;

interface PageParts {
  readonly bridge: PageBridge;
  readonly prompts: PagePrompts;
  readonly dialogs: PageDialogs;
  readonly tabs: PageTabs;
  readonly files: PageFiles;
  readonly world: PageWorld;
}

/** The page that is rendered: its size, its bridge, its navigation, and its tabs. */
export class RenderedPage implements CapturedPage {
  readonly #browserProcess: BrowserProcess;
  readonly #parts: PageParts;
  readonly deviceScaleFactor: number;
  /** Where input for the page goes. */
  readonly controls: PageControls;
  readonly #size: { width: number; height: number };
  /** What its tabs have shown, where the profile is to be stored. */
  readonly visited = new VisitedOrigins();
  /** Cookies that the server has given to every page, by name and host: no caller gets to see them. */
  readonly serverCookies: readonly { readonly name: string; readonly host: string }[];
  /** As `capture` of {@link PageTabs}. Set by what captures. */
  captureTab: (tab: PageTab, onShown: () => void) => Promise<void> = (_tab, onShown) => {
    onShown();
    return Promise.resolve();
  };

  private constructor(
    browserProcess: BrowserProcess,
    parameters: CaptureParameters,
    listener: PageBridgeListener & PageControlsListener,
    world: PageWorld,
    logger: Logger,
  ) {
    const { width, height, deviceScaleFactor, initialData } = parameters;
    const { newTabs, maxTabs } = { ...DEFAULT_TAB_OPTIONS, ...parameters.page };
    this.#browserProcess = browserProcess;
    this.#size = { width, height };
    this.deviceScaleFactor = deviceScaleFactor;
    this.serverCookies = (parameters.page?.cookies ?? []).map(({ name, domain }) => ({
      name,
      host: hostOf(domain ?? new URL(parameters.targetUrl).hostname),
    }));
    const emit = (event: PageEvent): void => listener.onPageEvent(event);
    const prompts = new PagePrompts(emit);
    const dialogs = new PageDialogs({ prompts, emit, logger });
    const names = scriptNames();
    const bridge = new PageBridge({
      ...{ initialData, listener, logger },
      origins: bridgeOrigins(parameters),
      saidEvent: names.said,
    });
    const files = new PageFiles({ files: parameters.files, prompts, emit, logger });
    const parts: PageTabParts = {
      ...{ bridge, world, names, prompts, dialogs, files, listener, logger, deviceScaleFactor },
      copiesImages: parameters.copiesImages === true,
      size: () => this.#size,
      isShown: (tab) => this.shown === tab,
      isInFront: (tab) => tabs.isInFront(tab),
      onPress: (tab) => tabs.press(tab),
      onClosing: (tab) => tabs.leave(tab),
      onStays: (tab) => tabs.stay(tab),
    };
    const tabs = new PageTabs({
      connection: browserProcess.connection,
      captureTitle: browserProcess.captureTitle,
      newTabs,
      maxTabs,
      prepare: (id, tab, isOnlyTab) => {
        if (parameters.profile !== undefined) this.visited.watch(tab.cdp);
        return PageTab.prepare(id, tab, isOnlyTab, parts);
      },
      capture: (tab, onShown) => this.captureTab(tab, onShown),
      onLost: (what) => browserProcess.loseTab(what),
      ...{ emit, logger },
    });
    this.#parts = { bridge, prompts, dialogs, tabs, files, world };
    browserProcess.onGuestPress = (targetId) => {
      if (this.shown.tab.targetId === targetId) tabs.press(this.shown);
    };
    this.controls = this.#pageControls();
  }

  /** Prepares the tab; nothing is loaded yet. */
  static async prepare(
    browserProcess: BrowserProcess,
    parameters: CaptureParameters,
    listener: PageBridgeListener & PageControlsListener,
    logger: Logger,
  ): Promise<RenderedPage> {
    const { cdp, connection, tab } = browserProcess;
    const { browser } = connection;
    const { targetUrl, page: options = {} } = parameters;
    const world = await PageWorld.prepare(browser, cdp, targetUrl, options, logger);
    const page = new RenderedPage(browserProcess, parameters, listener, world, logger);
    await Promise.all([
      page.#parts.tabs.begin(tab).then(() => (browserProcess.onFirstTabLost = () => undefined)),
      cdp.send('Emulation.setFocusEmulationEnabled', { enabled: true }),
      PageDownloads.begin(browser, parameters.files, (event) => listener.onPageEvent(event), logger),
    ]);
    return page;
  }

  /** The tab that is shown. */
  get shown(): PageTab {
    return this.#parts.tabs.shown;
  }

  /** @throws StreamKitError `capture_failed` when the page cannot be loaded. */
  async navigate(targetUrl: string, timeoutMs: number): Promise<void> {
    try {
      const { tab, isContained } = this.#browserProcess;
      const answer = await loadFirstDocument(tab, targetUrl, timeoutMs, isContained);
      // Without TLS no header of this name passes the proxy but its own; whatever else has one is a site with a page.
      const { [PROXY_STATUS]: proxyStatus = '' } =
        answer?.url.startsWith('http:') === true ? answer.headers : {};
      if (proxyStatus.startsWith(PROXY_ERROR)) throw new Error(proxyStatus);
      this.#parts.dialogs.isLive = true;
      await this.#parts.tabs.watch();
    } catch (error) {
      const { refusedCertificate } = this.#parts.world;
      // A load that is cancelled for it says only that it was.
      throw loadFailure(
        refusedCertificate === undefined ? asError(error) : new Error(refusedCertificate, { cause: error }),
      );
    }
  }

  /** The page sees its viewport change, as in a window that is resized. */
  async resize({ width, height }: { readonly width: number; readonly height: number }): Promise<void> {
    Object.assign(this.#size, { width, height });
    await this.shown.resize();
  }

  /** How the page is laid out for a picture of this size, pixels. */
  geometryOf(picture: PageSize): PageGeometry {
    return pageGeometry(picture, this.deviceScaleFactor);
  }

  setViewerCount(count: number): void {
    this.#parts.bridge.setViewerCount(count);
  }

  setPageState(state: unknown): void {
    this.#parts.bridge.setState(state);
  }

  sendToPage(message: unknown): void {
    this.#parts.bridge.sendMessage(message);
  }

  get browserPid(): number {
    return this.#browserProcess.pid;
  }

  setProgramInput(input: ProgramInput): void {
    this.#browserProcess.setProgramInput(input);
  }

  openDebugger(): Promise<string> {
    return this.#browserProcess.openDebugger();
  }

  /** @throws StreamKitError `unavailable` when the browser gives no picture in time. */
  async snapshot({ format, width }: SnapshotParameters): Promise<Uint8Array> {
    const { width: fullWidth } = this.#size;
    const { viewport, shown } = this.geometryOf(this.#size);
    const isExact = viewport.width === shown.width && viewport.height === shown.height;
    const resize = !isExact || (width !== undefined && width !== fullWidth);
    const screenshot = this.shown.cdp.send('Page.captureScreenshot', {
      format: resize ? 'png' : format,
      ...(format === 'jpeg' && !resize ? { quality: JPEG_QUALITY } : {}),
      optimizeForSpeed: true,
    });
    try {
      const { data } = await withTimeout(screenshot, SNAPSHOT_TIMEOUT_MS);
      const picture = Buffer.from(data, 'base64');
      if (!resize) return picture;
      // FFmpeg comes with it: a session that nobody watches does without.
      const { resizePicture } = await import('./picture-resizer.js');
      return await resizePicture(picture, format, width ?? fullWidth, { ...this.#size });
    } catch (error) {
      if (error instanceof StreamKitError) throw error;
      const message = `The page gave no picture${error instanceof TimeoutError ? ' in time' : ''}`;
      throw new StreamKitError('unavailable', message, { cause: error });
    }
  }

  /** Opens an empty tab in the back that is none of the page's, and that no guest sees. */
  openOwnTab(): Promise<BrowserTab> {
    const url = `about:blank#${randomBytes(16).toString('hex')}`;
    this.#browserProcess.hideTargets(url);
    return this.#parts.tabs.openOwn(url);
  }

  /** As {@link whileTitled}, for the tab that is shown; no other is shown meanwhile. */
  whileShownTitled<T>(work: () => Promise<T>): Promise<T> {
    return this.#parts.tabs.withShown((page) => this.whileTitled(page, work));
  }

  /**
   * Gives the document of a tab the title by which the browser finds the tab to capture, for as long as `work` takes. A page
   * that observes its title sees it.
   */
  async whileTitled<T>({ cdp, tab }: PageTab, work: () => Promise<T>): Promise<T> {
    const { captureTitle, connection } = this.#browserProcess;
    const { frameTree } = await cdp.send('Page.getFrameTree');
    const { executionContextId } = await cdp.send('Page.createIsolatedWorld', {
      frameId: frameTree.frame.id,
    });
    const entitle = async (title: string): Promise<string> => {
      const { result } = await cdp.send('Runtime.callFunctionOn', {
        functionDeclaration:
          'function (title) { const old = document.title; document.title = title; return old; }',
        arguments: [{ value: title }],
        executionContextId,
        returnByValue: true,
      });
      return String(result.value);
    };
    const title = await entitle(captureTitle);
    try {
      const titled = untilTitled(connection, captureTitle, AbortSignal.timeout(TITLE_TIMEOUT_MS));
      if ((await withTimeout(titled, TITLE_TIMEOUT_MS)) !== tab.targetId)
        throw new Error('Another tab has the title of the one to capture');
      return await work();
    } finally {
      // A document that has gone meanwhile has a title of its own.
      await entitle(title).catch(() => undefined);
    }
  }

  close(): void {
    const { bridge, prompts, tabs } = this.#parts;
    tabs.close();
    prompts.close();
    bridge.close();
  }

  #drop({ x, y, fileIds }: Extract<PageAnswer, { type: 'drop' }>): void {
    const { files, tabs } = this.#parts;
    const { width, height } = this.geometryOf(this.#size).shown;
    const place = { x: Math.min(x * width, width - 1), y: Math.min(y * height, height - 1) };
    const { shown } = tabs;
    tabs.press(shown);
    files.drop(shown.cdp, place, fileIds);
  }

  #pageControls(): PageControls {
    const { tabs, prompts } = this.#parts;
    const viewport = (): PageSize => this.geometryOf(this.#size).shown;
    return {
      get viewport() {
        return viewport();
      },
      send: (command, parameters) => tabs.shown.controls.send(command, parameters),
      fillClipboard: (text) => tabs.shown.controls.fillClipboard(text),
      setGamepads: (gamepads) => tabs.setGamepads(gamepads),
      answer: (answer) => {
        if (answer.type === 'tab') tabs.act(answer.action, answer.id).catch(() => undefined);
        else if (answer.type === 'drop') this.#drop(answer);
        else if (answer.type === 'pointer_lock') tabs.shown.controls.unlockPointer();
        else prompts.answer(answer);
      },
    };
  }
}

/** Of the domain of a cookie. */
export function hostOf(domain: string): string {
  return domain.replace(/^\./, '').toLowerCase();
}

/** An http target is often answered by the same host over https. */
function bridgeOrigins({ targetUrl, page }: CaptureParameters): string[] {
  const secure = new URL(targetUrl);
  if (secure.protocol === 'http:' && secure.port === '') secure.protocol = 'https:';
  return [new URL(targetUrl).origin, secure.origin, ...(page?.bridgeOrigins ?? [])];
}
