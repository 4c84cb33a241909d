import type { Clock, Timer } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ResolvedHlsOptions } from '../options/recording-options.js';
import type { HlsReport, HlsThreadData } from './hls-messages.js';
import { HlsWindow } from './hls-window.js';
import type { MuxThread, OpenMuxThread } from './mux-thread.js';
import { PacketFeed } from './packet-feed.js';
import type { OpenPacketSource } from './packet-source.js';

export type OpenHlsThread = OpenMuxThread<HlsThreadData, HlsReport>;

export interface HlsStreamParameters {
  readonly options: ResolvedHlsOptions;
  /** Beyond all that an earlier stream of the same session had. */
  readonly firstSequence: number;
  readonly openSource: OpenPacketSource;
  readonly openThread: OpenHlsThread;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long the first request waits for the first segment, beyond the length of one, ms. */
const FIRST_SEGMENT_GRACE_MS = 8000;

/** Segments of one session, made as long as somebody asks for them. They are kept in memory alone. */
export class HlsStream {
  readonly #parameters: HlsStreamParameters;
  readonly #onEnded: () => void;
  readonly #window: HlsWindow;
  readonly #feed: PacketFeed;
  readonly #thread: MuxThread;
  readonly #waiting = new Set<() => void>();
  #idleTimer: Timer | undefined;
  #closing: Promise<void> | undefined;

  /**
   * @param onEnded - nobody asks any more, the session is over, or it failed. Once.
   * @throws StreamKitError as `openSource` does.
   */
  constructor(parameters: HlsStreamParameters, onEnded: () => void) {
    this.#parameters = parameters;
    this.#onEnded = onEnded;
    const { clock, firstSequence, openSource, openThread, options } = parameters;
    this.#window = new HlsWindow(options.segmentMs, options.windowSegments, firstSequence);
    this.#feed = new PacketFeed({ clock, keyframeIntervalMs: options.segmentMs }, openSource, {
      onPacket: (packet) => this.#thread.send(packet),
      onSourceEnded: () => this.close(),
    });
    this.#thread = openThread(
      { hasAudio: this.#feed.hasAudio },
      { onReport: (report) => this.#onReport(report), onGone: () => void this.close() },
    );
    this.#touch();
  }

  get nextSequence(): number {
    return this.#window.nextSequence;
  }

  /**
   * The playlist as it is now; the first one waits for the first segment.
   *
   * @throws StreamKitError `unavailable` when there is none in time.
   */
  async playlist(): Promise<string> {
    this.#touch();
    if (this.#window.isEmpty) await this.#firstSegment();
    if (this.#window.isEmpty) {
      const headers = { 'Retry-After': '2' };
      throw new StreamKitError('unavailable', 'There is no segment yet', { headers });
    }
    return this.#window.playlist();
  }

  /** A segment or what goes before it; undefined for one that is not there. */
  file(name: string): Uint8Array | undefined {
    this.#touch();
    return this.#window.file(name);
  }

  /** Resolves when its thread is gone. Idempotent. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#idleTimer?.cancel();
      this.#feed.close();
      this.#closing = this.#thread.close();
      this.#wake();
      this.#onEnded();
    }
    return this.#closing;
  }

  #touch(): void {
    if (this.#closing !== undefined) return;
    this.#idleTimer?.cancel();
    this.#idleTimer = this.#parameters.clock.after(this.#parameters.options.idleMs, () => void this.close());
  }

  #firstSegment(): Promise<void> {
    if (this.#closing !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#waiting.delete(done);
        resolve();
      };
      const limitMs = this.#parameters.options.segmentMs + FIRST_SEGMENT_GRACE_MS;
      const timer = this.#parameters.clock.after(limitMs, done);
      this.#waiting.add(done);
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  #onReport(report: HlsReport): void {
    switch (report.type) {
      case 'progress':
        this.#feed.noteTaken(report.takenBytes);
        break;
      case 'init':
        this.#window.beginInit(report.bytes);
        break;
      case 'segment': {
        const { clock } = this.#parameters;
        const agoMs = (clock.nowUs() - report.startUs) / 1000;
        const startTimeMs = clock.wallMs() - agoMs;
        this.#window.add({ bytes: report.bytes, durationMs: report.durationUs / 1000, startTimeMs });
        this.#wake();
        break;
      }
      case 'ended':
        if (report.detail !== undefined) {
          this.#parameters.logger.warn({ detail: report.detail }, 'the live playlist ended');
        }
        void this.close();
        break;
    }
  }
}
