import type { ErrorCode } from '../../base/errors.js';
import type { EncodedCounts } from './capture.js';

/** What was seen of one capture at one moment. Times are monotonic, ms. */
export interface WatchObservation {
  readonly atMs: number;
  readonly browserAnsweredAtMs: number;
  readonly pageAnsweredAtMs: number;
  /** By a dialog or by the debugger of a guest: the page is not expected to answer. */
  readonly pageHalted: boolean;
  /** The page has filled its heap. Looked at while it does not answer. */
  readonly memoryFull: boolean;
  /** Why nothing more comes of the tab that captures; undefined: that is not known. */
  readonly captureLost: string | undefined;
  /** Undefined: nothing is captured by a tab, or it is being replaced. */
  readonly captureTab:
    | {
        readonly answeredAtMs: number;
        /** Pictures so far; undefined: it takes sound alone. */
        readonly pictures: number | undefined;
        /** Pieces of sound so far, 100 per second also in silence; undefined: it takes none. */
        readonly soundChunks: number | undefined;
      }
    | undefined;
  /** Pictures and sound are being taken. */
  readonly capturing: boolean;
  /** Undefined: nothing is being encoded. */
  readonly encoded: EncodedCounts | undefined;
  /** The last time that the browser was asked to paint the page and to hand over the picture. */
  readonly probe: WatchProbe | undefined;
}

export interface WatchProbe {
  readonly startedAtMs: number;
  /** Undefined: it is still under way. */
  readonly finishedAtMs: number | undefined;
}

/** What has to be done. */
export type WatchAction =
  | { readonly type: 'responsive'; readonly responsive: boolean }
  /** Have the page painted, whether anything changed or not. */
  | { readonly type: 'probe' }
  | {
      readonly type: 'restart';
      readonly part: 'GPU process' | 'capture tab' | 'sound';
      readonly code: ErrorCode;
    }
  /** They are captured, but nothing is encoded: who encodes them restarts that, or ends. */
  | { readonly type: 'encoding stalled'; readonly what: 'pictures' | 'sound' }
  /** The sound is back. */
  | { readonly type: 'recovered'; readonly part: 'sound' }
  | { readonly type: 'end'; readonly code: ErrorCode; readonly message: string };

export const OUT_OF_MEMORY = 'The page ran out of memory';
/** A page that has not answered for this long is shown as not responsive, ms. */
const UNRESPONSIVE_MS = 4_000;
/** A page that does not answer, and whose heap is full for this long, will not answer any more, ms. */
const OUT_OF_MEMORY_MS = 5_000;
/** The browser itself runs no code of the page: silence is a fault much sooner, ms. */
const BROWSER_HUNG_MS = 15_000;
const CAPTURE_TAB_HUNG_MS = 10_000;
/** Without a picture for this long, it is tried whether one comes of a paint, ms. A page that stands still is the usual reason. */
const PICTURE_QUIET_MS = 4_000;
const PROBE_INTERVAL_MS = 10_000;
/** A page that answers is painted within this, ms. */
const PROBE_TIMEOUT_MS = 8_000;
/** After the paint a picture comes within this, ms. */
const PICTURE_AFTER_PAINT_MS = 3_000;
const SOUND_QUIET_MS = 3_000;
/** What a tab counted that has been silent for longer than this says nothing of what it captures, ms. */
const STALE_COUNT_MS = 2_000;
/** Between two attempts to get the sound back, ms. */
const SOUND_RETRY_MS = 15_000;
/** Pictures of a page that stands still are encoded again, and silence is encoded too, so nothing for this long is a fault, ms. */
const ENCODER_QUIET_MS = 12_000;
/** One that is looked at later than this was asleep itself, with all that it watches, ms. */
const SLEPT_MS = 5_000;
/** More restarts of a part than so many within the window are no use: then it is the browser's turn. */
const PART_RESTARTS_MAX = 2;
const PART_RESTARTS_WINDOW_MS = 600_000;

/** A count, and when it last grew. */
class Progress {
  #count: number | undefined;
  #grewAtMs = 0;

  /** @returns how long it has not grown, ms. What was not counted before begins now. */
  quietMs(count: number | undefined, atMs: number): number {
    if (count === undefined || this.#count === undefined || count !== this.#count) this.#grewAtMs = atMs;
    this.#count = count;
    return atMs - this.#grewAtMs;
  }

  /** It could not grow until now. */
  restart(atMs: number): void {
    this.#grewAtMs = Math.max(this.#grewAtMs, atMs);
  }

  get grewAtMs(): number {
    return this.#grewAtMs;
  }
}

/** How often a part is started again. */
class RestartBudget {
  #restartedAtMs: number[] = [];

  /** @returns whether it may be started again. */
  take(atMs: number): boolean {
    this.#restartedAtMs = this.#restartedAtMs.filter((thenMs) => atMs - thenMs < PART_RESTARTS_WINDOW_MS);
    if (this.#restartedAtMs.length >= PART_RESTARTS_MAX) return false;
    this.#restartedAtMs.push(atMs);
    return true;
  }
}

/**
 * Decides from what was seen whether a capture works, and what to do where it does not. A state machine on the time that it
 * is given. It says what ends a capture at most once.
 */
export class Watchdog {
  readonly #hangTimeoutMs: number;
  /** Silence before it does not count: this process, or the machine, was asleep. */
  #awakeSinceMs: number | undefined;
  #lookedAtMs = 0;
  #responsive = true;
  #responsiveSinceMs = 0;
  /** Undefined: it is not. */
  #memoryFullSinceMs: number | undefined;
  readonly #pictures = new Progress();
  readonly #sound = new Progress();
  readonly #encodedPictures = new Progress();
  readonly #encodedSound = new Progress();
  #soundRestartedAtMs: number | undefined;
  readonly #gpuRestarts = new RestartBudget();
  readonly #captureTabRestarts = new RestartBudget();
  #gpuRestartedFor: number | undefined;
  #ended = false;

  /** @param hangTimeoutMs - a page that does not answer for this long has hung. */
  constructor(hangTimeoutMs: number) {
    this.#hangTimeoutMs = hangTimeoutMs;
  }

  look(seen: WatchObservation): WatchAction[] {
    if (this.#ended) return [];
    const { atMs } = seen;
    if (this.#awakeSinceMs === undefined || atMs - this.#lookedAtMs > SLEPT_MS) {
      this.#awakeSinceMs = atMs;
      for (const progress of this.#progresses) progress.restart(atMs);
    }
    this.#lookedAtMs = atMs;
    const browser = this.#lookAtBrowser(seen);
    const page = this.#lookAtPage(seen);
    const captureTab = this.#lookAtCaptureTab(seen);
    const counted =
      this.#isFresh(seen) && captureTab.length === 0 ? seen : { ...seen, captureTab: undefined };
    const actions: WatchAction[] = [
      ...browser,
      ...page,
      ...captureTab,
      ...this.#lookAtPictures(counted),
      ...this.#lookAtSound(counted),
      ...this.#lookAtEncoding(counted),
    ];
    const end = actions.find(({ type }) => type === 'end');
    if (end === undefined) return actions;
    this.#ended = true;
    return [end];
  }

  get #progresses(): readonly Progress[] {
    return [this.#pictures, this.#sound, this.#encodedPictures, this.#encodedSound];
  }

  #silenceMs(answeredAtMs: number, atMs: number): number {
    return atMs - Math.max(answeredAtMs, this.#awakeSinceMs ?? atMs);
  }

  #isFresh({ atMs, captureTab }: WatchObservation): boolean {
    return captureTab !== undefined && this.#silenceMs(captureTab.answeredAtMs, atMs) < STALE_COUNT_MS;
  }

  #lookAtBrowser({ atMs, browserAnsweredAtMs }: WatchObservation): WatchAction[] {
    if (this.#silenceMs(browserAnsweredAtMs, atMs) < BROWSER_HUNG_MS) return [];
    return [{ type: 'end', code: 'browser_hung', message: 'The browser stopped responding' }];
  }

  #lookAtCaptureTab(seen: WatchObservation): WatchAction[] {
    const { atMs, browserAnsweredAtMs, captureLost, captureTab } = seen;
    if (captureLost !== undefined) return this.#restartCaptureTab(seen, 'capture_failed', captureLost);
    if (
      captureTab === undefined ||
      this.#silenceMs(browserAnsweredAtMs, atMs) >= UNRESPONSIVE_MS ||
      this.#silenceMs(captureTab.answeredAtMs, atMs) < CAPTURE_TAB_HUNG_MS
    ) {
      return [];
    }
    return this.#restartCaptureTab(seen, 'capture_stalled', 'The tab that captures stopped responding');
  }

  /** The page is needed for it: one that is busy or halted is waited for. */
  #restartCaptureTab(seen: WatchObservation, code: ErrorCode, message: string): WatchAction[] {
    if (!this.#responsive || seen.pageHalted) return [];
    if (!this.#captureTabRestarts.take(seen.atMs)) return [{ type: 'end', code, message }];
    // The new one begins from nothing.
    this.#pictures.restart(seen.atMs);
    this.#sound.restart(seen.atMs);
    return [{ type: 'restart', part: 'capture tab', code }];
  }

  #lookAtPage({ atMs, pageAnsweredAtMs, pageHalted, memoryFull }: WatchObservation): WatchAction[] {
    const silentMs = pageHalted ? 0 : this.#silenceMs(pageAnsweredAtMs, atMs);
    const isFull = memoryFull && silentMs >= UNRESPONSIVE_MS;
    this.#memoryFullSinceMs = isFull ? (this.#memoryFullSinceMs ?? atMs) : undefined;
    if (isFull && atMs - (this.#memoryFullSinceMs ?? atMs) >= OUT_OF_MEMORY_MS)
      return [{ type: 'end', code: 'out_of_memory', message: OUT_OF_MEMORY }];
    if (silentMs >= this.#hangTimeoutMs) {
      return [{ type: 'end', code: 'browser_hung', message: 'The page stopped responding' }];
    }
    const responsive = silentMs < UNRESPONSIVE_MS;
    if (responsive === this.#responsive) return [];
    this.#responsive = responsive;
    this.#responsiveSinceMs = atMs;
    return [{ type: 'responsive', responsive }];
  }

  #lookAtPictures(seen: WatchObservation): WatchAction[] {
    const { atMs, captureTab, probe } = seen;
    if (captureTab?.pictures === undefined) {
      this.#pictures.restart(atMs);
      return [];
    }
    const capturing = seen.capturing && !seen.pageHalted;
    if (!capturing) this.#pictures.restart(atMs);
    const quietMs = this.#pictures.quietMs(captureTab.pictures, atMs);
    // A page that is busy is not painted either.
    if (!capturing || !this.#responsive || quietMs < PICTURE_QUIET_MS) return [];
    if (probe === undefined || probe.startedAtMs < this.#pictures.grewAtMs) {
      // The last one brought a picture, or was before the capture began.
      return probe === undefined || atMs - probe.startedAtMs >= PROBE_INTERVAL_MS ? [{ type: 'probe' }] : [];
    }
    if (probe.finishedAtMs === undefined) {
      return this.#paintTakesMs(probe) >= PROBE_TIMEOUT_MS ? this.#restartGpu(probe) : [];
    }
    if (atMs - Math.max(probe.finishedAtMs, this.#awakeSinceMs ?? 0) < PICTURE_AFTER_PAINT_MS) return [];
    const message = 'The page is painted, but no picture of it is captured';
    return this.#restartCaptureTab(seen, 'capture_stalled', message);
  }

  /** While the page is busy, it is not painted, and that does not count. */
  #paintTakesMs({ startedAtMs }: WatchProbe): number {
    return this.#lookedAtMs - Math.max(startedAtMs, this.#responsiveSinceMs, this.#awakeSinceMs ?? 0);
  }

  /** Chromium starts another one by itself, and pages go on. */
  #restartGpu(probe: WatchProbe): WatchAction[] {
    if (this.#gpuRestartedFor === probe.startedAtMs) {
      if (this.#paintTakesMs(probe) < 2 * PROBE_TIMEOUT_MS) return [];
      return [{ type: 'end', code: 'gpu_hung', message: 'The page cannot be painted' }];
    }
    if (!this.#gpuRestarts.take(this.#lookedAtMs)) {
      return [{ type: 'end', code: 'gpu_hung', message: 'The GPU process hangs again and again' }];
    }
    this.#gpuRestartedFor = probe.startedAtMs;
    return [{ type: 'restart', part: 'GPU process', code: 'gpu_hung' }];
  }

  #lookAtSound({ atMs, captureTab, capturing }: WatchObservation): WatchAction[] {
    const chunks = captureTab?.soundChunks;
    if (chunks === undefined) {
      this.#sound.restart(atMs);
      return [];
    }
    if (!capturing) this.#sound.restart(atMs);
    const quietMs = this.#sound.quietMs(chunks, atMs);
    const restartedAtMs = this.#soundRestartedAtMs;
    if (!capturing) return [];
    if (quietMs === 0 && restartedAtMs !== undefined) {
      this.#soundRestartedAtMs = undefined;
      return [{ type: 'recovered', part: 'sound' }];
    }
    if (quietMs < SOUND_QUIET_MS) return [];
    if (restartedAtMs !== undefined && atMs - restartedAtMs < SOUND_RETRY_MS) return [];
    this.#soundRestartedAtMs = atMs;
    return [{ type: 'restart', part: 'sound', code: 'sound_lost' }];
  }

  #lookAtEncoding({ atMs, capturing, captureTab, encoded }: WatchObservation): WatchAction[] {
    const actions: WatchAction[] = [];
    const look = (what: 'pictures' | 'sound', progress: Progress, count: number | undefined): void => {
      if (progress.quietMs(count, atMs) < ENCODER_QUIET_MS) return;
      progress.restart(atMs);
      actions.push({ type: 'encoding stalled', what });
    };
    look('pictures', this.#encodedPictures, capturing ? encoded?.pictures : undefined);
    const hears = captureTab?.soundChunks !== undefined && atMs - this.#sound.grewAtMs < SOUND_QUIET_MS;
    look('sound', this.#encodedSound, capturing && hears ? encoded?.sound : undefined);
    return actions;
  }
}
