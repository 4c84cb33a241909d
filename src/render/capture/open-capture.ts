import { cleanUp } from '../../base/clean-up.js';
import { systemClock } from '../../base/clock.js';
import { StreamKitError } from '../../base/errors.js';
import type { Capture, OpenCapture } from './capture.js';
import { ReadyBrowser, type ReadyBrowserOptions } from './ready-browser.js';
import { type BrowserRenderer, RendererWatch } from './renderer-watch.js';
import { RenderedPage } from './rendered-page.js';
import { ScreencastCapture } from './screencast-capture.js';
import { CaptureWatch } from './capture-watch.js';
import { restoreProfile } from './stored-profile.js';
import { fillBrowser } from './browser-profile.js';
import { onceEnded, TabCapture } from './tab-capture.js';

export interface OpenCaptureOptions extends ReadyBrowserOptions {
  /** How long until something of the page is painted, or all of it is loaded. */
  readonly loadTimeoutMs: number;
  /** A page that does not answer for this long has hung. */
  readonly hangTimeoutMs: number;
  /** What draws pages, once it is known and when it changes. */
  readonly onRenderer?: (renderer: BrowserRenderer) => void;
  /** The browser is there and captured; the page is not loaded yet. */
  readonly onLaunched?: (browser: ReadyBrowser) => void;
}

/**
 * Makes the function that opens captures in browsers of this machine.
 *
 * @param prepared - a browser for the first of them, whose shape fits it.
 */
export function createOpenCapture(options: OpenCaptureOptions, prepared?: ReadyBrowser): OpenCapture {
  const { loadTimeoutMs } = options;
  return async (parameters, listener, signal, logContext): Promise<Capture> => {
    const logger = options.logger.child({ ...logContext });
    const { width, height } = parameters;
    const size = { width, height };
    const { profile } = parameters;
    const stored = profile && (await restoreProfile(profile, options.profileDirectory));
    const browser =
      prepared ??
      (await ReadyBrowser.open(
        { ...options, logger },
        parameters,
        onceEnded((error) => listener.onEnded(error)),
        signal,
      ));
    const { browserProcess, capturePage, onEnded } = browser;
    const abort = (): void => void browserProcess.close();
    signal.addEventListener('abort', abort, { once: true });
    try {
      const [renderedPage] = await Promise.all([
        RenderedPage.prepare(browserProcess, parameters, listener, logger),
        browser.wake(parameters.audio),
      ]);
      await browser.adopt(parameters, renderedPage);
      const capture =
        browser.isTabCaptured && capturePage !== undefined
          ? new TabCapture(browserProcess, renderedPage, capturePage, size)
          : new ScreencastCapture(browserProcess, renderedPage, capturePage, size);
      if (stored !== undefined) await fillBrowser(browserProcess, renderedPage, stored, logger);
      // Capturing begins before the page loads: its first paint is the first picture.
      await capture.resume();
      options.onLaunched?.(browser);
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
      await cleanUp(browserProcess.close(), 'the browser', logger);
      if (error instanceof StreamKitError) throw error;
      throw new StreamKitError('capture_failed', 'The page could not be captured', { cause: error });
    } finally {
      signal.removeEventListener('abort', abort);
    }
  };
}
