import { TimeoutError, withTimeout } from '../../base/with-timeout.js';

import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { type BrowserProcess, untilTitled } from './browser-process.js';
import type { BrowserTab } from './browser-tab.js';
import type { CdpConnection, CdpSession } from './cdp-connection.js';
import { PROXY_ERROR, PROXY_STATUS } from '../../egress/egress-proxy.js';
import type { CaptureParameters, SnapshotParameters } from './capture.js';
import { PageBridge, type PageBridgeListener } from './page-bridge.js';
import { loadFirstDocument } from './first-document.js';
import { type PageControlsListener, TabControls } from './page-controls.js';
import { scriptNames } from './page-scripts.js';
import { PageTabs } from './page-tabs.js';
import { prepareWorld } from './page-world.js';
import type { PageEvent } from '../../protocol/page-events.js';
import { PageDialogs } from './page-dialogs.js';
import { PagePrompts } from './page-prompts.js';
import { pageGeometry, type PageGeometry, type PageSize } from './page-geometry.js';
import { resizePicture } from './picture-resizer.js';

/** The window around the page is as small as can be; pages that ask for its size mean that of the page. */
const WINDOW_SIZE_SCRIPT = `for (const side of ['Width', 'Height']) {
  const name = 'outer' + side;
  const descriptor = { enumerable: true, configurable: true };
  // As in Web IDL's [Replaceable].
  const set = (value) => Object.defineProperty(window, name, { value, writable: true, ...descriptor });
  Object.defineProperty(window, name, { get: () => window['inner' + side], set, ...descriptor });
}`;
const SNAPSHOT_TIMEOUT_MS = 5_000;
const JPEG_QUALITY = 85;
const TITLE_TIMEOUT_MS = 3_000;

interface PageParts {
  readonly bridge: PageBridge;
  readonly controls: TabControls;
  readonly prompts: PagePrompts;
  readonly dialogs: PageDialogs;
  readonly tabs: PageTabs;
}

/** The tab that is rendered: its size, its bridge, its navigation. */
export class RenderedPage {
  readonly #tab: BrowserTab;
  readonly #cdp: CdpSession;
  readonly #parts: PageParts;
  readonly deviceScaleFactor: number;
  readonly #throughProxy: boolean;
  readonly #connection: CdpConnection;
  readonly #captureTitle: string;
  /** Where input for the page goes. */
  readonly controls: TabControls;
  readonly #size: { width: number; height: number };

  private constructor(
    browserProcess: BrowserProcess,
    parts: PageParts,
    size: { width: number; height: number },
    deviceScaleFactor: number,
  ) {
    this.#tab = browserProcess.tab;
    this.#cdp = browserProcess.cdp;
    this.#parts = parts;
    this.#throughProxy = browserProcess.isContained;
    this.#connection = browserProcess.connection;
    this.#captureTitle = browserProcess.captureTitle;
    this.controls = parts.controls;
    this.#size = size;
    this.deviceScaleFactor = deviceScaleFactor;
  }

  /** Prepares the tab; nothing is loaded yet. */
  static async prepare(
    browserProcess: BrowserProcess,
    parameters: CaptureParameters,
    listener: PageBridgeListener & PageControlsListener,
    logger: Logger,
  ): Promise<RenderedPage> {
    const { cdp, connection, tab } = browserProcess;
    const { width, height, deviceScaleFactor } = parameters;
    const size = { width, height };
    const prompts = new PagePrompts((event) => listener.onPageEvent(event));
    const shown = (): PageSize => pageGeometry(size, deviceScaleFactor).shown;
    const names = scriptNames();
    const bridge = new PageBridge(cdp, names.said, listener, logger);
    const onBridge = (payload: string): void => bridge.receive(payload);
    const [controls] = await Promise.all([
      TabControls.install({ cdp, shown, prompts, names, onBridge, listener, logger }),
      bridge.install(parameters.initialData, bridgeOrigins(parameters)),
      setSize(cdp, parameters),
      cdp.send('Emulation.setFocusEmulationEnabled', { enabled: true }),
      cdp.send('Page.addScriptToEvaluateOnNewDocument', { source: WINDOW_SIZE_SCRIPT }),
      // Nothing is saved, and no file of this machine is picked.
      cdp.send('Browser.setDownloadBehavior', { behavior: 'deny', eventsEnabled: true }),
      prepareWorld(connection.browser, cdp, parameters.targetUrl, parameters.page ?? {}, logger),
      cdp.send('Page.setInterceptFileChooserDialog', { enabled: true }),
    ]);
    const dialogs = new PageDialogs({
      prompts,
      emit: (event) => listener.onPageEvent(event),
      onOpen: (isOpen) => browserProcess.expectSilence(isOpen),
      logger,
    });
    dialogs.watch(cdp);
    const emit = (event: PageEvent): void => listener.onPageEvent(event);
    cdp.on('Browser.downloadWillBegin', () => {
      emit({ type: 'refused', what: 'download', message: 'Pages may not save files' });
    });
    cdp.on('Page.fileChooserOpened', () => {
      emit({ type: 'refused', what: 'file_chooser', message: 'Pages may not read files' });
    });
    const tabs = new PageTabs({
      browser: connection.browser,
      tab,
      newTabs: parameters.page?.newTabs ?? 'same',
      isPressed: () => controls.isPressed,
      emit,
      logger,
    });
    await connection.browser.send('Target.setDiscoverTargets', {
      discover: true,
      filter: [{ type: 'page' }],
    });
    return new RenderedPage(
      browserProcess,
      { bridge, controls, prompts, dialogs, tabs },
      size,
      deviceScaleFactor,
    );
  }

  /** @throws StreamKitError `capture_failed` when the page cannot be loaded. */
  async navigate(targetUrl: string, timeoutMs: number): Promise<void> {
    try {
      const answer = await loadFirstDocument(this.#tab, targetUrl, timeoutMs, this.#throughProxy);
      // Without TLS no header of this name passes the proxy but its own; whatever else has one is a site with a page.
      const { [PROXY_STATUS]: proxyStatus = '' } =
        answer?.url.startsWith('http:') === true ? answer.headers : {};
      if (proxyStatus.startsWith(PROXY_ERROR)) throw new Error(proxyStatus);
      this.#parts.dialogs.isLive = true;
      this.#parts.tabs.watch();
    } catch (error) {
      const { message } = asError(error);
      const [reason] = /net::ERR_[A-Z_]+|(?<=; error=)[a-z_]+/.exec(message) ?? ['it did not load in time'];
      throw new StreamKitError('capture_failed', `The page could not be loaded: ${reason}`, {
        cause: error,
      });
    }
  }

  /** The page sees its viewport change, as in a window that is resized. */
  async resize({ width, height }: { readonly width: number; readonly height: number }): Promise<void> {
    Object.assign(this.#size, { width, height });
    await setSize(this.#cdp, { width, height, deviceScaleFactor: this.deviceScaleFactor });
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

  sendMessage(message: unknown): void {
    this.#parts.bridge.sendMessage(message);
  }

  /** @throws StreamKitError `unavailable` when the browser gives no picture in time. */
  async snapshot({ format, width }: SnapshotParameters): Promise<Uint8Array> {
    const { width: fullWidth } = this.#size;
    const { viewport, shown } = this.geometryOf(this.#size);
    const isExact = viewport.width === shown.width && viewport.height === shown.height;
    const resize = !isExact || (width !== undefined && width !== fullWidth);
    const screenshot = this.#cdp.send('Page.captureScreenshot', {
      format: resize ? 'png' : format,
      ...(format === 'jpeg' && !resize ? { quality: JPEG_QUALITY } : {}),
      optimizeForSpeed: true,
    });
    try {
      const { data } = await withTimeout(screenshot, SNAPSHOT_TIMEOUT_MS);
      const picture = Buffer.from(data, 'base64');
      return resize ? await resizePicture(picture, format, width ?? fullWidth, { ...this.#size }) : picture;
    } catch (error) {
      if (error instanceof StreamKitError) throw error;
      const message = `The page gave no picture${error instanceof TimeoutError ? ' in time' : ''}.`;
      throw new StreamKitError('unavailable', message, { cause: error });
    }
  }

  /** Has the page painted, whether anything changed or not. Resolves when the browser has the picture. */
  async paint(): Promise<void> {
    await this.#cdp.send('Page.captureScreenshot', { format: 'jpeg', quality: 1, optimizeForSpeed: true });
  }

  /**
   * Gives the document the title by which the browser finds the tab to capture, for as long as `work` takes. A page that
   * observes its title sees it.
   */
  async whileTitled<T>(work: () => Promise<T>): Promise<T> {
    const { frameTree } = await this.#cdp.send('Page.getFrameTree');
    const { executionContextId } = await this.#cdp.send('Page.createIsolatedWorld', {
      frameId: frameTree.frame.id,
    });
    const entitle = async (title: string): Promise<string> => {
      const { result } = await this.#cdp.send('Runtime.callFunctionOn', {
        functionDeclaration:
          'function (title) { const old = document.title; document.title = title; return old; }',
        arguments: [{ value: title }],
        executionContextId,
        returnByValue: true,
      });
      return String(result.value);
    };
    const title = await entitle(this.#captureTitle);
    try {
      await withTimeout(
        untilTitled(this.#connection, this.#captureTitle, AbortSignal.timeout(TITLE_TIMEOUT_MS)),
        TITLE_TIMEOUT_MS,
      );
      return await work();
    } finally {
      await entitle(title);
    }
  }

  close(): void {
    const { controls, bridge, prompts, tabs } = this.#parts;
    tabs.close();
    prompts.close();
    controls.close();
    bridge.close();
  }
}

/** An http target is often answered by the same host over https. */
function bridgeOrigins({ targetUrl, page }: CaptureParameters): string[] {
  const secure = new URL(targetUrl);
  if (secure.protocol === 'http:' && secure.port === '') secure.protocol = 'https:';
  return [new URL(targetUrl).origin, secure.origin, ...(page?.bridgeOrigins ?? [])];
}

type PictureSize = Pick<CaptureParameters, 'width' | 'height' | 'deviceScaleFactor'>;

async function setSize(cdp: CdpSession, size: PictureSize): Promise<void> {
  const { deviceScaleFactor } = size;
  const { width, height } = pageGeometry(size, deviceScaleFactor).viewport;
  await cdp.send('Emulation.setDeviceMetricsOverride', {
    width,
    height,
    screenWidth: width,
    screenHeight: height,
    deviceScaleFactor,
    mobile: false,
    screenOrientation: { type: width < height ? 'portraitPrimary' : 'landscapePrimary', angle: 0 },
  });
}
