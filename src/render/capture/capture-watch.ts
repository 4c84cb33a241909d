import { readFileSync } from 'node:fs';

import type { Clock, Timer } from '../../base/clock.js';
import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { processesNaming, signalProcess } from '../../base/process-table.js';
import type { BrowserProcess } from './browser-process.js';
import type { CapturePage } from './capture-page.js';
import { FrameLatency, type PictureGap } from './frame-latency.js';
import { holdFrames } from './frame-hold.js';
import type { CaptureWatchListener, EncodedCounts } from './capture.js';
import type { RenderedPage } from './rendered-page.js';
import type { WatchAction, WatchObservation, WatchProbe } from './watchdog.js';
import { Watchdog } from './watchdog.js';
import { hasFullHeap } from './page-memory.js';

export interface CaptureWatchParameters {
  readonly browserProcess: BrowserProcess;
  readonly renderedPage: RenderedPage;
  /** Undefined: neither pictures nor sound come by a tab. */
  readonly capturePage: CapturePage | undefined;
  readonly encoded: () => EncodedCounts | undefined;
  /** They are captured, but nothing of them is encoded. */
  readonly onEncodingStalled: (what: 'pictures' | 'sound') => void;
  readonly hangTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_INTERVAL_MS = 1_000;
/** While the page is silent for longer than this, its memory is looked at, ms. */
const SILENT_MS = 3_000;
const FAULTS = {
  'GPU process': 'The GPU process hangs and is started again',
  'capture tab': 'The tab that captures failed and is replaced',
  sound: 'The sound of the page was lost and is captured again',
} as const;

/** Looks once per second whether a capture works, and does what the {@link Watchdog} says. */
export class CaptureWatch {
  readonly #parameters: CaptureWatchParameters;
  readonly #listener: CaptureWatchListener;
  readonly #onEnd: (error: StreamKitError) => void;
  readonly #watchdog: Watchdog;
  readonly #latency = new FrameLatency();
  readonly #timer: Timer;
  /** Questions without an answer yet: a part that is silent is not asked again. */
  readonly #asked = new Set<string>();
  #browserAnsweredAtMs = 0;
  #pageAnsweredAtMs = 0;
  #memoryFull = false;
  #tab: WatchObservation['captureTab'];
  #captureLost: string | undefined;
  #isReplacing = false;
  #probe: WatchProbe | undefined;
  #closed = false;

  /** @param onEnd - nothing more will come; at most once. */
  constructor(
    parameters: CaptureWatchParameters,
    listener: CaptureWatchListener,
    onEnd: (error: StreamKitError) => void,
  ) {
    this.#parameters = parameters;
    this.#listener = listener;
    this.#onEnd = onEnd;
    this.#watchdog = new Watchdog(parameters.hangTimeoutMs);
    const { capturePage } = parameters;
    if (capturePage !== undefined) {
      // One that never answers is one that hangs.
      this.#tab = { answeredAtMs: 0, pictures: undefined, soundChunks: undefined };
      capturePage.onLost = (message) => this.#loseTab(message);
    }
    this.#timer = parameters.clock.every(LOOK_INTERVAL_MS, () => this.#look());
    // The page is needed to replace it, so that one that was lost while the page was loading had to wait.
    if (capturePage?.lostBecause !== undefined) this.#loseTab(capturePage.lostBecause);
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
  }

  #loseTab(message: string): void {
    if (this.#closed) return;
    this.#parameters.logger.warn(
      { code: 'capture_failed', reason: message },
      'the browser ended the capture',
    );
    this.#captureLost = message;
    if (!this.#isReplacing) this.#look();
  }

  #look(): void {
    const { browserProcess, renderedPage, capturePage, encoded } = this.#parameters;
    this.#ask(
      'browser',
      () => browserProcess.connection.browser.send('Browser.getVersion'),
      () => {
        this.#browserAnsweredAtMs = this.#nowMs();
      },
    );
    const { shown } = renderedPage;
    this.#ask(
      `page ${shown.id}`,
      () => shown.cdp.send('Runtime.evaluate', { expression: '0' }),
      () => {
        this.#pageAnsweredAtMs = this.#nowMs();
      },
    );
    if (this.#pageAnsweredAtMs > 0 && this.#nowMs() - this.#pageAnsweredAtMs > SILENT_MS) {
      this.#ask(
        `heap ${shown.id}`,
        () => hasFullHeap(shown.cdp),
        (isFull) => {
          this.#memoryFull = isFull;
        },
      );
    } else {
      this.#memoryFull = false;
    }
    if (capturePage !== undefined && !this.#isReplacing && this.#captureLost === undefined) {
      this.#ask(
        'tab',
        () => capturePage.progress(),
        ({ pictures, soundChunks, gap }) => {
          const before = this.#tab?.pictures;
          this.#tab = { answeredAtMs: this.#nowMs(), pictures, soundChunks };
          if (pictures !== undefined && before !== undefined) this.#lookAtLatency(pictures - before, gap);
        },
      );
    }
    const actions = this.#watchdog.look({
      atMs: this.#nowMs(),
      browserAnsweredAtMs: this.#browserAnsweredAtMs,
      pageAnsweredAtMs: this.#pageAnsweredAtMs,
      pageHalted: shown.isHalted || browserProcess.isPausedByGuest,
      memoryFull: this.#memoryFull,
      captureLost: this.#isReplacing ? undefined : this.#captureLost,
      captureTab: this.#isReplacing ? undefined : this.#tab,
      capturing: capturePage?.running === true,
      encoded: encoded(),
      probe: this.#probe,
    });
    for (const action of actions) this.#act(action);
  }

  #lookAtLatency(pictures: number, gap: PictureGap | undefined): void {
    const { browserProcess, renderedPage, logger } = this.#parameters;
    const { shown } = renderedPage;
    if (this.#closed || shown.isHalted || browserProcess.isPausedByGuest) return;
    if (!this.#latency.look(this.#nowMs(), pictures, gap)) return;
    holdFrames(shown.cdp).then(
      (hold) => this.#latency.held(this.#nowMs(), hold),
      (thrown: unknown) => {
        logger.debug({ err: asError(thrown) }, 'the animation frames of the page could not be held back');
        this.#latency.held(this.#nowMs(), undefined);
      },
    );
  }

  #act(action: WatchAction): void {
    const { logger, renderedPage } = this.#parameters;
    switch (action.type) {
      case 'responsive':
        if (action.responsive) logger.info({}, 'the page responds again');
        else logger.warn({ code: 'browser_hung' }, 'the page does not respond');
        this.#listener.onResponsive(action.responsive);
        break;
      case 'probe':
        this.#probe = { startedAtMs: this.#nowMs(), finishedAtMs: undefined };
        this.#ask(
          'probe',
          () => renderedPage.shown.paint(),
          () => {
            if (this.#probe !== undefined) this.#probe = { ...this.#probe, finishedAtMs: this.#nowMs() };
          },
        );
        break;
      case 'restart':
        logger.warn({ code: action.code }, FAULTS[action.part]);
        this.#listener.onFault(action.code, FAULTS[action.part]);
        void this.#restart(action.part);
        break;
      case 'encoding stalled':
        this.#parameters.onEncodingStalled(action.what);
        break;
      case 'recovered':
        this.#listener.onSound(true);
        break;
      case 'end':
        this.close();
        this.#onEnd(new StreamKitError(action.code, action.message));
        break;
    }
  }

  #restart(part: keyof typeof FAULTS): Promise<void> {
    switch (part) {
      case 'GPU process':
        return this.#killHelper('--type=gpu-process');
      case 'capture tab':
        return this.#replaceTab();
      case 'sound':
        return this.#restartSound();
    }
  }

  async #replaceTab(): Promise<void> {
    const { capturePage, logger } = this.#parameters;
    this.#isReplacing = true;
    this.#captureLost = undefined;
    try {
      await capturePage?.replace();
      logger.info({}, 'another tab captures the page');
    } catch (thrown) {
      const error = asError(thrown);
      if (!this.#closed) logger.warn({ err: error }, 'the tab that captures could not be replaced');
      this.#captureLost = error.message;
    }
    this.#isReplacing = false;
    this.#tab = { answeredAtMs: this.#nowMs(), pictures: undefined, soundChunks: undefined };
  }

  async #restartSound(): Promise<void> {
    const { capturePage, renderedPage, logger } = this.#parameters;
    this.#listener.onSound(false);
    try {
      // One that hangs would keep the new track silent as well; Chromium starts another.
      await this.#killHelper('AudioService');
      await renderedPage.whileShownTitled(async () => capturePage?.reopenSound());
    } catch (thrown) {
      if (!this.#closed) logger.warn({ err: asError(thrown) }, 'the sound could not be captured again');
    }
  }

  /** Kills a process of the browser that the browser starts again by itself. */
  async #killHelper(argument: string): Promise<void> {
    for (const pid of await processesNaming(this.#parameters.browserProcess.profileDirectory)) {
      if (commandLine(pid).includes(argument)) signalProcess(pid, 'SIGKILL');
    }
  }

  /** An answer of any kind is one: an evaluation may well be refused in the middle of a navigation. */
  #ask<T>(name: string, ask: () => Promise<T>, onAnswer: (answer: T) => void): void {
    if (this.#asked.has(name)) return;
    this.#asked.add(name);
    ask().then(
      (value) => {
        this.#asked.delete(name);
        onAnswer(value);
      },
      () => {
        this.#asked.delete(name);
        if (name.startsWith('page')) this.#pageAnsweredAtMs = this.#nowMs();
      },
    );
  }

  #nowMs(): number {
    return this.#parameters.clock.nowUs() / 1000;
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
