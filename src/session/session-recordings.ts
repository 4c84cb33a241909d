import { CONTAINERS, type RecordingInfo, type RecordingRequest } from '../protocol/recordings.js';
import { VIDEO_CODECS } from '../protocol/video-codecs.js';
import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject } from '../options/option-checks.js';
import type { RecordingStore } from '../recording/recording-store.js';
import type { Recording } from '../recording/recording.js';
import type { ObserveSession } from './session-events.js';
import type { Caller } from './caller.js';
import type { SessionRegistry } from './session-registry.js';
import type { RecordingState } from '../protocol/state-document.js';

/** A recording, and where its files are. For the application, not for clients. */
export interface RecordingWithPaths extends RecordingInfo {
  readonly paths: readonly string[];
}

/** A recording that has ended shows in the state document until this many others have begun. */
const MAX_SHOWN = 8;

/**
 * Checks what a client asks for. Keys that it does not know are ignored.
 *
 * @throws StreamKitError `bad_request` that names the key.
 */
export function parseRecordingRequest(body: unknown): RecordingRequest {
  if (!isPlainObject(body)) throw new StreamKitError('bad_request', expectation('JSON object', 'body', body));
  const { format } = body;
  if (format !== undefined && format !== 'mp4' && format !== 'webm') {
    throw new StreamKitError('bad_request', expectation('one of mp4, webm', 'format', format));
  }
  const maxBytes = integerAtLeast(body, 'maxBytes', 1024 * 1024);
  const maxDurationMs = integerAtLeast(body, 'maxDurationMs', 1000);
  return {
    ...(format === undefined ? {} : { format }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(maxDurationMs === undefined ? {} : { maxDurationMs }),
  };
}

function integerAtLeast(
  given: Readonly<Record<string, unknown>>,
  key: string,
  least: number,
): number | undefined {
  const value = given[key];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
    throw new StreamKitError('bad_request', expectation(`integer of ${least} or more`, key, value));
  }
  return value;
}

/** Recordings of sessions: from the session's media to the store, and their state back to its document. */
export class SessionRecordings {
  readonly #registry: SessionRegistry;
  readonly #store: RecordingStore;
  readonly #observe: ObserveSession;
  /** Of sessions with recordings, which outlive the session. */
  readonly #creators = new Map<string, Caller>();

  constructor(registry: SessionRegistry, store: RecordingStore, observe: ObserveSession) {
    this.#registry = registry;
    this.#store = store;
    this.#observe = observe;
  }

  /** The sessions that have recordings. */
  streamIds(): Iterable<string> {
    return this.#creators.keys();
  }

  /**
   * Begins to record.
   *
   * @throws StreamKitError `no_such_session`, `unavailable` before the page is captured, `conflict` for a format whose
   * codec the session does not have, `at_capacity`, `recording_failed`.
   */
  async start(streamId: string, request: RecordingRequest = {}): Promise<RecordingInfo> {
    const session = this.#registry.page(streamId);
    session.touch();
    const { format, ...limits } = request;
    const asked = VIDEO_CODECS.filter((codec) => format === undefined || CONTAINERS[codec] === format);
    const recording = await this.#store.start({
      streamId,
      ...limits,
      openSource: (sink) => session.openPackets(asked, sink),
      onChange: ({ running, info: { recordingId, status, durationMs, bytes } }) => {
        this.#show(streamId);
        if (running) return;
        this.#observe('recording:end', { streamId, recordingId, status, durationMs, bytes });
      },
    });
    const { recordingId, format: container } = recording.info;
    this.#keepCreator(streamId);
    this.#observe('recording:start', { streamId, recordingId, format: container });
    this.#show(streamId);
    return recording.info;
  }

  /** @throws StreamKitError `no_such_session` for a session that never was, or is gone and was not recorded. */
  list(streamId: string): RecordingInfo[] {
    const recordings = this.#store.list(streamId);
    if (recordings.length === 0) this.#registry.page(streamId).touch();
    return recordings.map(({ info }) => info);
  }

  /** @throws StreamKitError `no_such_recording`. */
  get(streamId: string, recordingId: string): RecordingInfo {
    return this.#store.get(streamId, recordingId).info;
  }

  /** @throws StreamKitError `no_such_recording`. */
  withPaths(streamId: string, recordingId: string): RecordingWithPaths {
    return pathsOf(this.#store.get(streamId, recordingId));
  }

  listWithPaths(streamId: string): RecordingWithPaths[] {
    return this.#store.list(streamId).map(pathsOf);
  }

  /**
   * Ends it, and waits until its files are whole. One that has ended is left as it is.
   *
   * @throws StreamKitError `no_such_recording`.
   */
  async stop(streamId: string, recordingId: string): Promise<RecordingInfo> {
    const recording = this.#store.get(streamId, recordingId);
    await recording.stop();
    return recording.info;
  }

  /** Who has created a session that was recorded; undefined where there are no recordings of it. */
  creatorOf(streamId: string): Caller | undefined {
    return this.#creators.get(streamId);
  }

  #keepCreator(streamId: string): void {
    for (const known of this.#creators.keys()) {
      if (this.#store.list(known).length === 0) this.#creators.delete(known);
    }
    const creator = this.#registry.creatorOf(streamId);
    if (creator !== undefined) this.#creators.set(streamId, creator);
  }

  /** As {@link RecordingStore.remove}. */
  async remove(streamId: string, recordingId: string): Promise<void> {
    await this.#store.remove(streamId, recordingId);
    this.#show(streamId);
  }

  /** As {@link RecordingStore.pathOf}. */
  pathOf(streamId: string, recordingId: string, part: number): string {
    return this.#store.pathOf(streamId, recordingId, part);
  }

  /** Brings the session's state document in line, while there is one. */
  #show(streamId: string): void {
    const shown: RecordingState[] = this.#store
      .list(streamId)
      .slice(-MAX_SHOWN)
      .map(({ info: { recordingId, status, format, startTime, error } }) => ({
        ...{ recordingId, status, format, startTime },
        ...(error === undefined ? {} : { error: error.message, errorCode: error.code }),
      }));
    this.#registry.findPage(streamId)?.showRecordings(shown);
  }
}

function pathsOf(recording: Recording): RecordingWithPaths {
  const { info } = recording;
  return { ...info, paths: info.files.map((_, index) => recording.pathOf(index) ?? '') };
}
