import { randomBytes } from 'node:crypto';

import type { LaunchOptions } from 'puppeteer';

import { cleanUp } from '../../base/clean-up.js';
import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { TargetPolicy } from '../../options/target-policy-options.js';
import { BrowserProcess } from './browser-process.js';
import { BrowserTab } from './browser-tab.js';
import type { BrowserVersion } from './browser-version.js';
import { CapturePage, type CaptureTabs } from './capture-page.js';
import type { CaptureFormat, CaptureKind, CaptureParameters, VideoSource } from './capture.js';
import { deviceMetrics, pageGeometry } from './page-geometry.js';
import type { RenderedPage } from './rendered-page.js';

export interface ReadyBrowserOptions {
  readonly launchOptions: LaunchOptions;
  /** Of the browser that is launched, if it is known already. */
  readonly knownVersion?: BrowserVersion | undefined;
  /** `auto`: the tab where the browser can be captured, else the screencast. */
  readonly capture: CaptureKind | 'auto';
  readonly launchTimeoutMs: number;
  /** For the browser's profile and the shared files: exists and is empty. Removed with the browser. */
  readonly profileDirectory: string;
  /** What pages may reach. */
  readonly targetPolicy: TargetPolicy;
  /** A proxy that enforces it, as `http://user:password@host:port`; undefined: this process opens one if need be. */
  readonly egressProxy?: string | undefined;
  /** A page was refused what the policy does not permit; by error type of RFC 9209. */
  readonly onEgressRefused?: (errorType: string) => void;
  readonly logger: Logger;
}

/**
 * What must be known of a session to launch its browser. All else is applied when the browser runs; size and frame rate may still
 * change then.
 */
export type BrowserShape = CaptureFormat &
  Pick<CaptureParameters, 'deviceScaleFactor' | 'audio' | 'page' | 'upstreamProxy'>;

/** A browser that is launched and captured, and shows nothing yet. Nothing of a session is in it. */
export class ReadyBrowser {
  readonly browserProcess: BrowserProcess;
  /** Told once when the browser, or later its page, is lost. */
  readonly onEnded: (error: StreamKitError) => void;
  /** What is to be captured; set as soon as there is one. */
  page: RenderedPage | undefined;
  #capturePage: CapturePage | undefined;
  #isTabCaptured = false;
  #isResting = false;
  readonly #logger: Logger;
  #format: CaptureFormat;

  private constructor(
    browserProcess: BrowserProcess,
    { width, height, frameRate }: CaptureFormat,
    onEnded: (error: StreamKitError) => void,
    logger: Logger,
  ) {
    this.#logger = logger;
    this.browserProcess = browserProcess;
    this.onEnded = onEnded;
    this.#format = { width, height, frameRate };
  }

  /**
   * Launches a browser and prepares to capture its tab.
   *
   * @param onEnded - see {@link ReadyBrowser.onEnded}; for this browser alone.
   * @throws StreamKitError as `BrowserProcess.launch`, or `capture_failed`; nothing is left behind then.
   */
  static async open(
    options: ReadyBrowserOptions,
    shape: BrowserShape,
    onEnded: (error: StreamKitError) => void,
    signal: AbortSignal,
  ): Promise<ReadyBrowser> {
    const { deviceScaleFactor, page = {}, upstreamProxy } = shape;
    const captureTitle = `capture-${randomBytes(16).toString('hex')}`;
    const parameters = { ...options, captureTitle, deviceScaleFactor, page, upstreamProxy };
    const browserProcess = await BrowserProcess.launch(parameters, onEnded, signal);
    const abort = (): void => void browserProcess.close();
    signal.addEventListener('abort', abort, { once: true });
    try {
      const ready = new ReadyBrowser(browserProcess, shape, onEnded, options.logger);
      await browserProcess.cdp.send(
        'Emulation.setDeviceMetricsOverride',
        deviceMetrics(shape, deviceScaleFactor),
      );
      await ready.#openCapturePage(options, shape, signal);
      return ready;
    } catch (error) {
      await cleanUp(browserProcess.close(), 'the browser', options.logger);
      if (error instanceof StreamKitError) throw error;
      throw new StreamKitError('capture_failed', 'The page could not be captured', { cause: error });
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Undefined: neither pictures nor sound are taken by it. */
  get capturePage(): CapturePage | undefined {
    return this.#capturePage;
  }

  /** Whether pictures are taken by the capture page. */
  get isTabCaptured(): boolean {
    return this.#isTabCaptured;
  }

  /** Where a reader finds the pictures of the tab; undefined: they are taken otherwise. */
  get video(): Extract<VideoSource, { kind: 'ring' }> | undefined {
    return this.#isTabCaptured ? this.#capturePage?.videoSource(this.#format) : undefined;
  }

  get frameRate(): number {
    return this.#format.frameRate;
  }

  /** Uses no CPU time from now on, until it is woken. */
  async rest(): Promise<void> {
    if (this.#capturePage?.hasAudio !== true) return;
    this.#isResting = true;
    await this.#capturePage.restSound();
  }

  /**
   * Takes the sound again, if it rests. Before it loads anything: the browser finds the tab by the title of its first document.
   *
   * @param audio - false: there is none from now on.
   */
  async wake(audio: boolean): Promise<void> {
    if (!audio) await this.#capturePage?.forgoSound();
    if (!audio || !this.#isResting) return;
    this.#isResting = false;
    try {
      await this.#capturePage?.reopenSound();
    } catch (error) {
      // It is tried again while the page is shown.
      this.#logger.warn({ err: asError(error) }, 'the sound of the tab could not be taken again');
    }
  }

  /** Captures in this format from now on. The page is laid out for it already. */
  async adopt({ width, height, frameRate }: CaptureFormat, page: RenderedPage): Promise<void> {
    this.page = page;
    const { width: oldWidth, height: oldHeight, frameRate: oldFrameRate } = this.#format;
    const isSame = width === oldWidth && height === oldHeight && frameRate === oldFrameRate;
    this.#format = { width, height, frameRate };
    if (isSame || !this.#isTabCaptured) return;
    const { captured } = page.geometryOf(this.#format);
    await this.#capturePage?.reconfigure(this.#format, captured, () => Promise.resolve());
  }

  async #openCapturePage(
    options: ReadyBrowserOptions,
    shape: BrowserShape,
    signal: AbortSignal,
  ): Promise<void> {
    const { capture, logger } = options;
    const { audio, deviceScaleFactor } = shape;
    if (capture !== 'screencast') {
      try {
        this.#capturePage = await this.#open(true, audio, deviceScaleFactor, options);
        this.#isTabCaptured = true;
        return;
      } catch (error) {
        if (capture === 'tab' || signal.aborted) throw error;
        logger.warn({ err: asError(error) }, 'the tab cannot be captured: falling back to the screencast');
      }
    }
    if (audio) {
      this.#capturePage = await this.#open(false, audio, deviceScaleFactor, options).catch(() => undefined);
      if (this.#capturePage === undefined) logger.warn({}, 'the sound of the tab is not to be had');
    }
    await this.browserProcess.tab.bringToFront();
  }

  #open(
    video: boolean,
    audio: boolean,
    deviceScaleFactor: number,
    { logger }: ReadyBrowserOptions,
  ): Promise<CapturePage> {
    const tabs: CaptureTabs = {
      open: () => this.page?.openOwnTab() ?? this.#openOwnTab(),
      // The first document has the title from the start.
      whileTitled: (work) => this.page?.whileShownTitled(work) ?? work(),
    };
    const { captured } = pageGeometry(this.#format, deviceScaleFactor);
    return CapturePage.open(
      this.browserProcess,
      { ...this.#format, captured, video, audio },
      tabs,
      (message) => logger.warn({ reason: message }, 'a picture could not be used'),
    );
  }

  /** As `RenderedPage.openOwnTab`, while there is no page that could take it for one of its own. */
  async #openOwnTab(): Promise<BrowserTab> {
    const { connection } = this.browserProcess;
    const url = `about:blank#${randomBytes(16).toString('hex')}`;
    this.browserProcess.hideTargets(url);
    const { targetId } = await connection.browser.send('Target.createTarget', { url, background: true });
    return BrowserTab.attach(connection, targetId);
  }
}
