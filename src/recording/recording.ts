import {
  CONTAINERS,
  type RecordedFile,
  type RecordingError,
  type RecordingInfo,
} from '../protocol/recordings.js';
import type { RecordingStatus } from '../protocol/state-document.js';
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { ResolvedRecordingOptions } from '../options/recording-options.js';
import type { MuxThread, OpenMuxThread } from './mux-thread.js';
import { PacketFeed } from './packet-feed.js';
import type { OpenPacketSource } from './packet-source.js';
import { recordingPath, type RecordingReport, type RecordingThreadData } from './recording-messages.js';

export type OpenRecordingThread = OpenMuxThread<RecordingThreadData, RecordingReport>;

/**
 * `starting`: no picture was written yet. `finished`: by itself or stopped, its files are whole. `failed`: what was
 * written until then can be read.
 */
export type { RecordingStatus } from '../protocol/state-document.js';

export interface RecordingParameters {
  readonly recordingId: string;
  readonly streamId: string;
  /** Paths of the files up to their number. */
  readonly pathPrefix: string;
  readonly limits: Pick<ResolvedRecordingOptions, 'maxBytes' | 'maxDurationMs' | 'keyframeIntervalMs'>;
  readonly openSource: OpenPacketSource;
  readonly openThread: OpenRecordingThread;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface RecordingListener {
  /** Bytes have been written. */
  onProgress(recording: Recording): void;
  /** Status or error are others than before. */
  onChange(recording: Recording): void;
}

const LOST: RecordingError = { code: 'recording_failed', message: 'The recording ended unexpectedly' };

/** One recording, from the first packet to the last byte. */
export class Recording {
  readonly #parameters: RecordingParameters;
  readonly #listener: RecordingListener;
  readonly #startTime: number;
  readonly #feed: PacketFeed;
  readonly #thread: MuxThread;
  readonly #durationTimer: Timer;
  #status: RecordingStatus = 'starting';
  #files: readonly RecordedFile[] = [];
  #error: RecordingError | undefined;
  #ending: Promise<void> | undefined;

  /** @throws StreamKitError as `openSource` does. */
  constructor(parameters: RecordingParameters, listener: RecordingListener) {
    const { clock, limits, openSource, openThread, pathPrefix } = parameters;
    this.#parameters = parameters;
    this.#listener = listener;
    this.#startTime = Math.round(clock.wallMs());
    this.#feed = new PacketFeed({ clock, keyframeIntervalMs: limits.keyframeIntervalMs }, openSource, {
      onPacket: (packet) => this.#thread.send(packet),
      onSourceEnded: () => this.stop(),
    });
    const { codec, hasAudio } = this.#feed;
    this.#thread = openThread(
      { pathPrefix, codec, hasAudio, maxBytes: limits.maxBytes },
      { onReport: (report) => this.#onReport(report), onGone: () => this.#end(LOST) },
    );
    this.#durationTimer = clock.after(limits.maxDurationMs, () => {
      const message = `The recording reached its limit of ${limits.maxDurationMs} ms`;
      void this.stop({ code: 'limit_reached', message });
    });
  }

  get recordingId(): string {
    return this.#parameters.recordingId;
  }

  get streamId(): string {
    return this.#parameters.streamId;
  }

  get info(): RecordingInfo {
    const { recordingId, streamId } = this.#parameters;
    const { codec, hasAudio, framesDropped } = this.#feed;
    return {
      recordingId,
      streamId,
      status: this.#status,
      format: CONTAINERS[codec],
      videoCodec: codec,
      audioCodec: hasAudio ? 'opus' : null,
      startTime: this.#startTime,
      durationMs: this.#files.reduce((sum, { durationMs }) => sum + durationMs, 0),
      bytes: this.bytes,
      framesDropped,
      files: this.#files,
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  get bytes(): number {
    return this.#files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get running(): boolean {
    return this.#status === 'starting' || this.#status === 'recording';
  }

  /** Path of a file, from 0 on; undefined where there is none. For this process alone. */
  pathOf(index: number): string | undefined {
    if (this.#files[index] === undefined) return undefined;
    return recordingPath(this.#parameters.pathPrefix, index + 1, CONTAINERS[this.#feed.codec]);
  }

  /** Ends it and waits until its files are whole. Idempotent. @param error - why, where nobody asked for it. */
  stop(error?: RecordingError): Promise<void> {
    if (this.#ending === undefined) {
      this.#error ??= error;
      this.#feed.close();
      this.#durationTimer.cancel();
      this.#ending = this.#thread.close();
    }
    return this.#ending;
  }

  #onReport(report: RecordingReport): void {
    if (!this.running) return;
    this.#files = report.files;
    if (report.type === 'ended') {
      if (report.detail !== undefined) {
        const { recordingId, streamId, logger } = this.#parameters;
        logger.warn({ streamId, recordingId, ...report.error, detail: report.detail }, 'recording failed');
      }
      this.#end(report.error);
      return;
    }
    this.#feed.noteTaken(report.takenBytes);
    this.#listener.onProgress(this);
    if (this.#status === 'starting' && report.files.length > 0) {
      this.#status = 'recording';
      this.#listener.onChange(this);
    }
  }

  #end(error: RecordingError | undefined): void {
    if (!this.running) return;
    // What ended it first is what is told.
    this.#error ??= error;
    const whole = error === undefined || error.code === 'limit_reached';
    this.#status = whole ? 'finished' : 'failed';
    if (error !== undefined && !whole) this.#error = error;
    void this.stop();
    this.#listener.onChange(this);
  }
}
