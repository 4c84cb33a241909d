import { randomBytes } from 'node:crypto';

import type { LaunchOptions } from 'puppeteer';

import { systemClock } from '../../base/clock.js';
import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { TargetPolicy } from '../../options/target-policy-options.js';
import { BrowserProcess } from './browser-process.js';
import { CapturePage } from './capture-page.js';
import type { Capture, CaptureKind, OpenCapture } from './capture.js';
import { type BrowserRenderer, RendererWatch } from './renderer-watch.js';
import { RenderedPage } from './rendered-page.js';
import { ScreencastCapture } from './screencast-capture.js';
import { CaptureWatch } from './capture-watch.js';
import { restoreProfile } from './stored-profile.js';
import { fillBrowser } from './browser-profile.js';
import { onceEnded, TabCapture } from './tab-capture.js';

export interface OpenCaptureOptions {
  readonly launchOptions: LaunchOptions;
  /** `auto`: the tab where the browser can be captured, else the screencast. */
  readonly capture: CaptureKind | 'auto';
  readonly launchTimeoutMs: number;
  /** How long until something of the page is painted, or all of it is loaded. */
  readonly loadTimeoutMs: number;
  /** A page that does not answer for this long has hung. */
  readonly hangTimeoutMs: number;
  /** For the browser's profile and the shared files: exists and is empty. Removed with the browser. */
  readonly profileDirectory: string;
  /** What pages may reach. */
  readonly targetPolicy: TargetPolicy;
  /** A proxy that enforces it, as `http://user:password@host:port`; undefined: this process opens one if need be. */
  readonly egressProxy?: string | undefined;
  /** A page was refused what the policy does not permit; by error type of RFC 9209. */
  readonly onEgressRefused?: (errorType: string) => void;
  /** What draws pages, once it is known and when it changes. */
  readonly onRenderer?: (renderer: BrowserRenderer) => void;
  /** The browser is there and captured; the page is not loaded yet. */
  readonly onLaunched?: () => void;
  readonly logger: Logger;
}

/** Makes the function that opens captures in browsers of this machine. */
export function createOpenCapture(options: OpenCaptureOptions): OpenCapture {
  const { launchOptions, launchTimeoutMs, loadTimeoutMs } = options;
  return async (parameters, listener, signal, logContext): Promise<Capture> => {
    const logger = options.logger.child({ ...logContext });
    const { width, height, deviceScaleFactor, frameRate, audio } = parameters;
    const size = { width, height };
    const captureTitle = `capture-${randomBytes(16).toString('hex')}`;
    const onEnded = onceEnded((error) => listener.onEnded(error));
    const { profile } = parameters;
    const stored = profile && (await restoreProfile(profile, options.profileDirectory));
    const browserProcess = await BrowserProcess.launch(
      {
        launchOptions,
        captureTitle,
        deviceScaleFactor,
        page: parameters.page ?? {},
        profileDirectory: options.profileDirectory,
        egressProxy: options.egressProxy,
        upstreamProxy: parameters.upstreamProxy,
        targetPolicy: options.targetPolicy,
        onEgressRefused: options.onEgressRefused,
        launchTimeoutMs,
        logger,
      },
      onEnded,
      signal,
    );
    const abort = (): void => void browserProcess.close();
    signal.addEventListener('abort', abort, { once: true });
    try {
      const renderedPage = await RenderedPage.prepare(browserProcess, parameters, listener, logger);
      const openCapturePage = (video: boolean): Promise<CapturePage> =>
        CapturePage.open(
          browserProcess,
          { ...size, captured: renderedPage.geometryOf(size).captured, frameRate, video, audio },
          {
            open: () => renderedPage.openOwnTab(),
            whileTitled: (work) => renderedPage.whileShownTitled(work),
          },
          (message) => logger.warn({ reason: message }, 'a picture could not be used'),
        );

      let capture: Capture | undefined;
      let capturePage: CapturePage | undefined;
      if (options.capture !== 'screencast') {
        try {
          capturePage = await openCapturePage(true);
          capture = new TabCapture(browserProcess, renderedPage, capturePage, size);
        } catch (error) {
          if (options.capture === 'tab' || signal.aborted) throw error;
          logger.warn({ err: asError(error) }, 'the tab cannot be captured: falling back to the screencast');
        }
      }
      if (!capture) {
        capturePage = audio ? await openCapturePage(false).catch(() => undefined) : undefined;
        if (audio && !capturePage) logger.warn({}, 'the sound of the tab is not to be had');
        await browserProcess.tab.bringToFront();
        capture = new ScreencastCapture(browserProcess, renderedPage, capturePage, size);
      }
      if (stored !== undefined) await fillBrowser(browserProcess, renderedPage, stored, logger);
      // Capturing begins before the page loads: its first paint is the first picture.
      await capture.resume();
      options.onLaunched?.();
      await renderedPage.navigate(parameters.targetUrl, loadTimeoutMs);
      signal.throwIfAborted();
      const { hangTimeoutMs } = options;
      const watch = new CaptureWatch(
        {
          ...{ browserProcess, renderedPage, capturePage, hangTimeoutMs, logger },
          encoded: () => listener.encoded?.(),
          onEncodingStalled: (what) => listener.onEncodingStalled?.(what),
          clock: systemClock,
        },
        listener,
        onEnded,
      );
      const { onRenderer = () => undefined } = options;
      const rendererWatch = new RendererWatch(browserProcess.connection.browser, systemClock, onRenderer);
      browserProcess.onClosing = () => {
        watch.close();
        rendererWatch.close();
      };
      return capture;
    } catch (error) {
      await browserProcess.close();
      if (error instanceof StreamKitError) throw error;
      throw new StreamKitError('capture_failed', 'The page could not be captured', { cause: error });
    } finally {
      signal.removeEventListener('abort', abort);
    }
  };
}
