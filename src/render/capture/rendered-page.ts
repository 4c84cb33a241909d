import type { CDPSession, Page } from 'puppeteer';
import { TimeoutError, withTimeout } from '../../base/with-timeout.js';

import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { BrowserProcess } from './browser-process.js';
import { PROXY_ERROR, PROXY_STATUS } from '../../egress/egress-proxy.js';
import type { CaptureParameters, SnapshotParameters } from './capture.js';
import { PageBridge, type PageBridgeListener } from './page-bridge.js';
import { type PageControlsListener, type PageSize, TabControls } from './page-controls.js';
import { resizePicture } from './picture-resizer.js';

/** The window around the page is as small as can be; pages that ask for its size mean that of the page. */
const WINDOW_SIZE_SCRIPT = `for (const side of ['Width', 'Height'])
  Object.defineProperty(window, 'outer' + side, { get: () => window['inner' + side], enumerable: true });`;
const SNAPSHOT_TIMEOUT_MS = 5_000;
const JPEG_QUALITY = 85;

/** The tab that is rendered: its size, its bridge, its navigation. */
export class RenderedPage {
  readonly #page: Page;
  readonly #cdp: CDPSession;
  readonly #bridge: PageBridge;
  readonly #deviceScaleFactor: number;
  readonly #throughProxy: boolean;
  /** Where input for the page goes. */
  readonly controls: TabControls;
  readonly #size: { width: number; height: number };

  private constructor(
    browserProcess: BrowserProcess,
    bridge: PageBridge,
    controls: TabControls,
    size: { width: number; height: number },
    deviceScaleFactor: number,
  ) {
    this.#page = browserProcess.page;
    this.#cdp = browserProcess.cdp;
    this.#bridge = bridge;
    this.#throughProxy = browserProcess.isContained;
    this.controls = controls;
    this.#size = size;
    this.#deviceScaleFactor = deviceScaleFactor;
  }

  /** Prepares the tab; nothing is loaded yet. */
  static async prepare(
    browserProcess: BrowserProcess,
    parameters: CaptureParameters,
    listener: PageBridgeListener & PageControlsListener,
    logger: Logger,
  ): Promise<RenderedPage> {
    const { page, cdp } = browserProcess;
    const { width, height, deviceScaleFactor } = parameters;
    const size = { width, height };
    const viewport = (): PageSize => cssSize(size, deviceScaleFactor);
    const [bridge, controls] = await Promise.all([
      PageBridge.install(cdp, parameters.initialData, listener, logger),
      TabControls.install(cdp, viewport, listener, logger),
      setSize(cdp, parameters),
      cdp.send('Emulation.setFocusEmulationEnabled', { enabled: true }),
      cdp.send('Page.addScriptToEvaluateOnNewDocument', { source: WINDOW_SIZE_SCRIPT }),
      // Nothing is saved, and no file of this machine is picked.
      cdp.send('Browser.setDownloadBehavior', { behavior: 'deny' }),
      cdp.send('Page.setInterceptFileChooserDialog', { enabled: true }),
    ]);
    // Nobody sits before this browser: a dialog would hang the page, a pop-up would cover it.
    page.on('dialog', (dialog) => {
      dialog
        .dismiss()
        .catch((error: unknown) => logger.debug({ err: asError(error) }, 'the dialog was gone'));
    });
    page.on('popup', (popup) => {
      popup?.close().catch((error: unknown) => logger.debug({ err: asError(error) }, 'the pop-up was gone'));
    });
    return new RenderedPage(browserProcess, bridge, controls, size, deviceScaleFactor);
  }

  /** @throws StreamKitError `capture_failed` when the page cannot be loaded. */
  async navigate(targetUrl: string, timeoutMs: number): Promise<void> {
    try {
      const response = await this.#page.goto(targetUrl, {
        waitUntil: 'domcontentloaded',
        timeout: timeoutMs,
      });
      // Without TLS no header of this name passes the proxy but its own; whatever else has one is a site with a page.
      const { [PROXY_STATUS]: proxyStatus = '' } =
        this.#throughProxy && response?.url().startsWith('http:') === true ? response.headers() : {};
      if (proxyStatus.startsWith(PROXY_ERROR)) throw new Error(proxyStatus);
    } catch (error) {
      const { message } = asError(error);
      const [reason] = /net::ERR_[A-Z_]+|(?<=; error=)[a-z_]+/.exec(message) ?? ['it did not load in time'];
      throw new StreamKitError('capture_failed', `The page could not be loaded: ${reason}.`, {
        cause: error,
      });
    }
  }

  /** The page sees its viewport change, as in a window that is resized. */
  async resize({ width, height }: { readonly width: number; readonly height: number }): Promise<void> {
    Object.assign(this.#size, { width, height });
    await setSize(this.#cdp, { width, height, deviceScaleFactor: this.#deviceScaleFactor });
  }

  setViewerCount(count: number): void {
    this.#bridge.setViewerCount(count);
  }

  sendMessage(message: unknown): void {
    this.#bridge.sendMessage(message);
  }

  /** @throws StreamKitError `unavailable` when the browser gives no picture in time. */
  async snapshot({ format, width }: SnapshotParameters): Promise<Uint8Array> {
    const resize = width !== undefined && width !== this.#size.width;
    const screenshot = this.#cdp.send('Page.captureScreenshot', {
      format: resize ? 'png' : format,
      ...(format === 'jpeg' && !resize ? { quality: JPEG_QUALITY } : {}),
      optimizeForSpeed: true,
    });
    try {
      const { data } = await withTimeout(screenshot, SNAPSHOT_TIMEOUT_MS);
      const picture = Buffer.from(data, 'base64');
      return resize ? await resizePicture(picture, format, width) : picture;
    } catch (error) {
      if (error instanceof StreamKitError) throw error;
      const message = `The page gave no picture${error instanceof TimeoutError ? ' in time' : ''}.`;
      throw new StreamKitError('unavailable', message, { cause: error });
    }
  }

  close(): void {
    this.controls.close();
    this.#bridge.close();
  }
}

type PictureSize = Pick<CaptureParameters, 'width' | 'height' | 'deviceScaleFactor'>;

function cssSize({ width, height }: PageSize, deviceScaleFactor: number): PageSize {
  return { width: Math.round(width / deviceScaleFactor), height: Math.round(height / deviceScaleFactor) };
}

async function setSize(cdp: CDPSession, size: PictureSize): Promise<void> {
  const { deviceScaleFactor } = size;
  const { width, height } = cssSize(size, deviceScaleFactor);
  await cdp.send('Emulation.setDeviceMetricsOverride', {
    width,
    height,
    screenWidth: width,
    screenHeight: height,
    deviceScaleFactor,
    mobile: false,
  });
}
