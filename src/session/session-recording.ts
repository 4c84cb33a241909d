import type { RecordingInfo } from '../protocol/recordings.js';
import type { RecordingWithPaths, SessionRecordings } from './session-recordings.js';

/** A recording that was begun by {@link StreamKitSession.record}. */
export class SessionRecording implements AsyncDisposable {
  readonly id: string;
  readonly #streamId: string;
  readonly #recordings: SessionRecordings;

  constructor(recordings: SessionRecordings, streamId: string, { recordingId }: RecordingInfo) {
    this.id = recordingId;
    this.#streamId = streamId;
    this.#recordings = recordings;
  }

  /** As it is now. @throws StreamKitError `no_such_recording` once it is removed. */
  get info(): RecordingWithPaths {
    return this.#recordings.withPaths(this.#streamId, this.id);
  }

  /**
   * Ends it and waits until its files are whole. Idempotent.
   *
   * @throws StreamKitError `no_such_recording` once it is removed.
   */
  async stop(): Promise<RecordingWithPaths> {
    await this.#recordings.stop(this.#streamId, this.id);
    return this.info;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
