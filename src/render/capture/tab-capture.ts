import type { StreamKitError } from '../../base/errors.js';
import type { BrowserProcess } from './browser-process.js';
import { CaptureDemand } from './capture-demand.js';
import type { CapturePage } from './capture-page.js';
import type {
  AudioSource,
  Capture,
  CaptureFormat,
  ProfileTarget,
  SnapshotParameters,
  VideoSource,
} from './capture.js';
import { storeBrowserProfile } from './browser-profile.js';
import type { PageTab } from './page-tab.js';
import type { RenderedPage } from './rendered-page.js';

const CAPTURE_ATTEMPTS = 3;

/** Raw pictures and sound of the tab, through the shared files. */
export class TabCapture implements Capture {
  readonly kind = 'tab';
  readonly page: RenderedPage;
  readonly video: VideoSource;
  readonly audio: AudioSource | null;
  readonly #browserProcess: BrowserProcess;
  readonly #capturePage: CapturePage;
  readonly #demand = new CaptureDemand((isWanted) =>
    isWanted ? this.#capturePage.resume() : this.#capturePage.pause(),
  );

  constructor(
    browserProcess: BrowserProcess,
    renderedPage: RenderedPage,
    capturePage: CapturePage,
    size: { width: number; height: number },
  ) {
    this.#browserProcess = browserProcess;
    this.page = renderedPage;
    this.#capturePage = capturePage;
    browserProcess.onGuestScreenshot = () => this.#demand.forGuest();
    renderedPage.captureTab = (tab, onShown) => this.#show(tab, onShown);
    this.video = capturePage.videoSource(size);
    this.audio = capturePage.hasAudio ? { kind: 'ring', path: capturePage.paths.audio } : null;
  }

  /** The file takes any reader. */
  async renewVideo(): Promise<void> {
    // See above.
  }

  pause(): Promise<void> {
    return this.#demand.take(false);
  }

  resume(): Promise<void> {
    return this.#demand.take(true);
  }

  reconfigure(format: CaptureFormat): Promise<void> {
    return this.#demand.turns.run(async () => {
      const { captured } = this.page.geometryOf(format);
      await this.#capturePage.reconfigure(format, captured, () => this.page.resize(format));
    });
  }

  snapshot(parameters: SnapshotParameters): Promise<Uint8Array> {
    return this.#demand.during(() => this.page.snapshot(parameters));
  }

  async storeProfile(target: ProfileTarget): Promise<void> {
    this.#demand.close();
    await storeBrowserProfile(this.#browserProcess, this.page, target);
  }

  async close(): Promise<void> {
    this.#demand.close();
    this.page.close();
    await this.#browserProcess.close();
  }

  #show(tab: PageTab, onShown: () => void): Promise<void> {
    return this.#demand.turns.run(async () => {
      await captureAnother(this.page, this.#capturePage, tab, onShown);
      // A page that stands still is not painted again by itself.
      if (this.#capturePage.running) tab.paint().catch(() => undefined);
    });
  }
}

/**
 * Captures another tab. A document that is replaced meanwhile loses the title by which the browser finds it, so it is
 * tried again.
 *
 * @param onTaken - called before the first picture of it; once for each try.
 */
export async function captureAnother(
  renderedPage: RenderedPage,
  capturePage: CapturePage,
  tab: PageTab,
  onTaken: () => void,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await renderedPage.whileTitled(tab, () => capturePage.takeTab(onTaken));
      return;
    } catch (error) {
      if (attempt === CAPTURE_ATTEMPTS) throw error;
    }
  }
}

/** Ends a capture at most once, whichever of its parts fails first. */
export function onceEnded(onEnded: (error: StreamKitError) => void): (error: StreamKitError) => void {
  let ended = false;
  return (error) => {
    if (ended) return;
    ended = true;
    onEnded(error);
  };
}
