import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ResolvedRecordingOptions } from '../options/recording-options.js';
import type { OpenPacketSource } from './packet-source.js';
import { RecordingDirectory } from './recording-directory.js';
import type { OpenRecordingThread } from './recording.js';
import { Recording } from './recording.js';

export interface RecordingStoreParameters {
  readonly options: ResolvedRecordingOptions;
  readonly openThread: OpenRecordingThread;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A v4 UUID. */
  createId(): string;
}

export interface RecordingStart {
  readonly streamId: string;
  /** Lower the store's own limits; they cannot lift them. */
  readonly maxBytes?: number;
  readonly maxDurationMs?: number;
  readonly openSource: OpenPacketSource;
  /** Status or error are others than before. */
  onChange(recording: Recording): void;
}

/** Most recordings that have ended and can still be asked for; beyond it the oldest is forgotten, its files stay. */
const MAX_KNOWN_ENDED = 1000;
/** Less room than this is not worth a file, bytes. */
const LEAST_ROOM_BYTES = 1024 * 1024;

/** All recordings of one router: how many there may be, how much room they have, and which can be found. */
export class RecordingStore {
  readonly #parameters: RecordingStoreParameters;
  readonly #directory: RecordingDirectory;
  /** By id, oldest first. They outlive their session. */
  readonly #recordings = new Map<string, Recording>();
  /** What is in the directory beside that which is being written. */
  #restBytes = 0;
  #closed = false;

  /** @throws StreamKitError `bad_option` for a directory in which nothing can be written. */
  constructor(parameters: RecordingStoreParameters) {
    this.#parameters = parameters;
    this.#directory = new RecordingDirectory(parameters.options.directory);
  }

  /**
   * @throws StreamKitError `at_capacity` when as many run as may or the room is used up, `recording_failed`, and as
   * `openSource` does.
   */
  async start(start: RecordingStart): Promise<Recording> {
    // Others may have removed files meanwhile.
    const bytesOnDisk = await this.#directory.countBytes();
    const running = this.#running();
    this.#restBytes = Math.max(0, bytesOnDisk - sumBytes(running));
    this.#checkRoom(bytesOnDisk, running.length);
    const { options, openThread, clock, logger } = this.#parameters;
    const recordingId = this.#parameters.createId();
    const { streamId, openSource } = start;
    const room = options.maxTotalBytes - bytesOnDisk;
    const recording = new Recording(
      {
        ...{ recordingId, streamId, openSource, openThread, clock, logger },
        pathPrefix: this.#directory.pathPrefix(streamId, recordingId),
        limits: {
          maxBytes: Math.min(options.maxBytes, start.maxBytes ?? Infinity, room),
          maxDurationMs: Math.min(options.maxDurationMs, start.maxDurationMs ?? Infinity),
          keyframeIntervalMs: options.keyframeIntervalMs,
        },
      },
      {
        onProgress: () => this.#watchRoom(),
        onChange: (changed) => {
          if (!changed.running) this.#onEnded(changed);
          start.onChange(changed);
        },
      },
    );
    this.#recordings.set(recordingId, recording);
    return recording;
  }

  /** Those of one session, oldest first. */
  list(streamId: string): Recording[] {
    return [...this.#recordings.values()].filter((recording) => recording.streamId === streamId);
  }

  /** @throws StreamKitError `no_such_recording`. */
  get(streamId: string, recordingId: string): Recording {
    const recording = this.#recordings.get(recordingId);
    if (recording?.streamId !== streamId) throw noSuchRecording();
    return recording;
  }

  /**
   * Path of a file that is whole. For this process alone.
   *
   * @param part - from 1 on.
   * @throws StreamKitError `no_such_recording`, `conflict` while it is being written.
   */
  pathOf(streamId: string, recordingId: string, part: number): string {
    const recording = this.#ended(streamId, recordingId);
    const path = recording.pathOf(part - 1);
    if (path === undefined) throw new StreamKitError('no_such_recording', 'The recording has no such file');
    return path;
  }

  /**
   * Removes the files of a recording that has ended, and forgets it.
   *
   * @throws StreamKitError `no_such_recording`, `conflict` while it is being written, `recording_failed`.
   */
  async remove(streamId: string, recordingId: string): Promise<void> {
    const recording = this.#ended(streamId, recordingId);
    const paths = recording.info.files.map((_, index) => recording.pathOf(index) ?? '');
    await this.#directory.remove(paths);
    if (this.#recordings.delete(recordingId)) this.#restBytes -= recording.bytes;
  }

  /** Ends every recording and waits until its files are whole. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#recordings.values()].map((recording) => recording.stop()));
  }

  #ended(streamId: string, recordingId: string): Recording {
    const recording = this.get(streamId, recordingId);
    if (recording.running) throw new StreamKitError('conflict', 'The recording is being written');
    return recording;
  }

  #running(): Recording[] {
    return [...this.#recordings.values()].filter((recording) => recording.running);
  }

  #checkRoom(usedBytes: number, running: number): void {
    const { maxRecordings, maxTotalBytes } = this.#parameters.options;
    if (this.#closed) throw atCapacity('The server is shutting down');
    if (running >= maxRecordings) throw atCapacity('As many recordings run as may');
    if (maxTotalBytes - usedBytes < LEAST_ROOM_BYTES) throw atCapacity('The room for recordings is used up');
  }

  /** Together they may fill what each of them could have alone. */
  #watchRoom(): void {
    const running = this.#running();
    if (this.#restBytes + sumBytes(running) < this.#parameters.options.maxTotalBytes) return;
    const error = { code: 'limit_reached', message: 'The room for recordings is used up' } as const;
    for (const recording of running) void recording.stop(error);
  }

  #onEnded(recording: Recording): void {
    this.#restBytes += recording.bytes;
    const ended = [...this.#recordings.values()].filter(({ running }) => !running);
    const [oldest] = ended;
    if (ended.length > MAX_KNOWN_ENDED && oldest !== undefined) this.#recordings.delete(oldest.recordingId);
  }
}

function sumBytes(recordings: readonly Recording[]): number {
  return recordings.reduce((sum, { bytes }) => sum + bytes, 0);
}

function noSuchRecording(): StreamKitError {
  return new StreamKitError('no_such_recording', 'There is no such recording');
}

function atCapacity(message: string): StreamKitError {
  return new StreamKitError('at_capacity', message, { status: 503, headers: { 'Retry-After': '10' } });
}
