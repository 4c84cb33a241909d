import { MessageChannel } from 'node:worker_threads';

import type { CdpSession } from './cdp-connection.js';
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
import { captureAnother } from './tab-capture.js';
import type { RenderedPage } from './rendered-page.js';
import type { ScreencastFrame } from './screencast-frame.js';

const JPEG_QUALITY = 90;

/** JPEG pictures of the DevTools protocol: the way that works in every Chromium, at a higher cost. */
export class ScreencastCapture implements Capture {
  readonly kind = 'screencast';
  readonly page: RenderedPage;
  readonly audio: AudioSource | null;
  readonly #browserProcess: BrowserProcess;
  readonly #capturePage: CapturePage | undefined;
  readonly #demand = new CaptureDemand((isWanted) => (isWanted ? this.#resume() : this.#pause()));
  /** Of the tab that is shown. */
  #cdp: CdpSession;
  readonly #heard = new WeakSet<CdpSession>();
  /** To the thread that encodes. */
  #channel = new MessageChannel();
  #width: number;
  #height: number;
  #sequence = 0;
  /** Wall-clock time at which the last picture was composited, s. */
  #lastSwapTimeS = 0;
  #running = false;

  /** @param capturePage - gives the sound; undefined where the tab cannot be captured. */
  constructor(
    browserProcess: BrowserProcess,
    renderedPage: RenderedPage,
    capturePage: CapturePage | undefined,
    size: { width: number; height: number },
  ) {
    this.#browserProcess = browserProcess;
    this.page = renderedPage;
    this.#capturePage = capturePage;
    this.#cdp = browserProcess.cdp;
    this.#width = size.width;
    this.#height = size.height;
    this.audio = capturePage?.hasAudio === true ? { kind: 'ring', path: capturePage.paths.audio } : null;
    this.#hearAcknowledgements();
    this.#listenTo(this.#cdp);
    browserProcess.onGuestScreenshot = () => this.#demand.forGuest();
    renderedPage.captureTab = (tab, onShown) => this.#show(tab, onShown);
  }

  get video(): VideoSource {
    const { deviceScaleFactor } = this.page;
    const size = { width: this.#width, height: this.#height };
    return { kind: 'jpeg', port: this.#channel.port2, deviceScaleFactor, ...size };
  }

  /**
   * The browser sends at most three pictures ahead of their acknowledgement. The encoding thread gives it on receipt, before it
   * decodes, so that the next one is under way meanwhile and yet no more than three ever wait.
   */
  #hearAcknowledgements(): void {
    this.#channel.port1.on('message', (sessionId: number) => this.#acknowledge(sessionId));
    this.#channel.port1.unref();
  }

  #listenTo(cdp: CdpSession): void {
    this.#heard.add(cdp);
    cdp.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
      if (cdp !== this.#cdp) return;
      // The browser compresses on several threads: a picture may overtake the one before it.
      const { timestamp = this.#lastSwapTimeS } = metadata;
      const overtakenByS = this.#lastSwapTimeS - timestamp;
      // A greater step back is the wall clock's.
      if (overtakenByS > 0 && overtakenByS < 1) {
        this.#acknowledge(sessionId);
        return;
      }
      this.#lastSwapTimeS = timestamp;
      const jpeg = Uint8Array.from(Buffer.from(data, 'base64'));
      // The swap time that the event carries is wall-clock time in whole frames; arrival is as good and monotonic.
      const captureTimeUs = Number(process.hrtime.bigint() / 1000n);
      const frame: ScreencastFrame = { sequence: ++this.#sequence, captureTimeUs, jpeg, sessionId };
      this.#channel.port1.postMessage(frame, [jpeg.buffer]);
    });
  }

  #acknowledge(sessionId: number): void {
    this.#cdp.send('Page.screencastFrameAck', { sessionId }).catch(() => undefined);
  }

  pause(): Promise<void> {
    return this.#demand.take(false);
  }

  resume(): Promise<void> {
    return this.#demand.take(true);
  }

  /** What the former reader took and did not acknowledge is forgotten with the screencast. */
  renewVideo(): Promise<void> {
    return this.#demand.turns.run(async () => {
      if (this.#running) await this.#cdp.send('Page.stopScreencast');
      this.#channel.port1.close();
      this.#channel = new MessageChannel();
      this.#hearAcknowledgements();
      if (this.#running) await this.#startScreencast();
    });
  }

  reconfigure(format: CaptureFormat): Promise<void> {
    return this.#demand.turns.run(async () => {
      const running = this.#running;
      if (running) await this.#pause();
      this.#width = format.width;
      this.#height = format.height;
      await this.page.resize(format);
      if (running) await this.#resume();
    });
  }

  async #pause(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    await Promise.all([this.#cdp.send('Page.stopScreencast'), this.#capturePage?.pause()]);
  }

  async #resume(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    await Promise.all([this.#startScreencast(), this.#capturePage?.resume()]);
  }

  async #startScreencast(): Promise<void> {
    const { captured } = this.page.geometryOf({ width: this.#width, height: this.#height });
    await this.#cdp.send('Page.startScreencast', {
      format: 'jpeg',
      quality: JPEG_QUALITY,
      // As large as the page is: what lies beyond the picture is cut off after that.
      maxWidth: captured.width,
      maxHeight: captured.height,
      everyNthFrame: 1,
    });
  }

  #show(tab: PageTab, onShown: () => void): Promise<void> {
    return this.#demand.turns.run(async () => {
      // The former tab may have gone.
      if (this.#running) await this.#cdp.send('Page.stopScreencast').catch(() => undefined);
      this.#cdp = tab.cdp;
      onShown();
      // What it shows may be older than what the former one showed last.
      this.#lastSwapTimeS = 0;
      if (!this.#heard.has(tab.cdp)) this.#listenTo(tab.cdp);
      if (this.#running) await this.#startScreencast();
      if (this.#capturePage !== undefined)
        await captureAnother(this.page, this.#capturePage, tab, () => undefined).catch(() => undefined);
      // One that was painted before it was shown is not painted again by itself.
      tab.paint().catch(() => undefined);
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
    this.#channel.port1.close();
    await this.#browserProcess.close();
  }
}
