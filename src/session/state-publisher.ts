import type { Operation } from 'fast-json-patch';

import type { Clock, Timer } from '../base/clock.js';
import { rtpTimestampOf, VIDEO_CLOCK_RATE_HZ } from '../base/rtp-clock.js';
import type { EventLogEntry } from './event-log.js';
import { EventLog } from './event-log.js';
import { serverSentEvent } from './server-sent-event.js';
import type { StreamSessionState, StreamSessionStatus } from '../protocol/state-document.js';
import type { SessionState } from './session-state.js';

/** Patches kept for `Last-Event-ID`: a minute of them at the default interval. */
const PATCH_LOG_LIMITS = { maxEntries: 600, maxBytes: 1024 * 1024 } as const;

/**
 * Turns changes of the state document into patches, at most one an interval, each encoded once for all viewers.
 * While nothing changes no timer runs.
 */
export class StatePublisher {
  readonly #state: SessionState;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #onPatch: () => void;
  readonly #onStatus: (status: StreamSessionStatus, previous: StreamSessionStatus) => void;
  readonly #log = new EventLog(PATCH_LOG_LIMITS);
  #timer: Timer | undefined;
  /** When the page made the newest change that is not sent yet, monotonic µs. Undefined: it made none. */
  #pageChangedAtUs: number | undefined;
  /** Of the last patch, monotonic µs. */
  #patchTimeUs = 0;
  #flushedAtUs = -Infinity;
  #closed = false;
  /** The whole-document replace, kept for the viewers that join between two patches. */
  #whole: EventLogEntry | undefined;

  constructor(
    state: SessionState,
    clock: Clock,
    intervalMs: number,
    onPatch: () => void,
    onStatus: (status: StreamSessionStatus, previous: StreamSessionStatus) => void = () => undefined,
  ) {
    this.#state = state;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#onPatch = onPatch;
    this.#onStatus = onStatus;
  }

  get document(): Readonly<StreamSessionState> {
    return this.#state.document;
  }

  /** Number of the last patch; 0 before the first. */
  get lastSequence(): number {
    return this.#log.lastSequence;
  }

  /** Goes on after the patches that another publisher has sent: who has seen them gets the whole document. Before the first patch. */
  continueAfter(sequence: number): void {
    this.#log.skipTo(sequence + 1);
  }

  /**
   * @param pageChangedAtUs - when the page did what the change tells of, monotonic µs. A picture that was captured later
   * shows it too.
   */
  update(change: (document: StreamSessionState) => void, pageChangedAtUs?: number): void {
    const { status: previous } = this.document;
    this.#state.update(change);
    this.#pageChangedAtUs = pageChangedAtUs ?? this.#pageChangedAtUs;
    this.#schedule();
    const { status } = this.document;
    if (status !== previous) this.#onStatus(status, previous);
  }

  /** Notes activity; sent coarsely. */
  touch(): void {
    this.#state.touch(Math.round(this.#clock.wallMs()));
    if (this.#state.changed) this.#schedule();
  }

  /** Sends what changed so far without waiting for the interval. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#flushedAtUs = this.#clock.nowUs();
    const operations = this.#state.takePatch();
    const pageChangedAtUs = this.#pageChangedAtUs;
    this.#pageChangedAtUs = undefined;
    if (operations.length === 0) return;
    this.#patchTimeUs = pageChangedAtUs ?? this.#clock.nowUs();
    this.#log.append((sequence) => this.#event(operations, sequence));
    this.#onPatch();
  }

  /**
   * The event that replaces the whole document, under the number of the last patch: the next patch applies to it.
   */
  wholeDocument(): Uint8Array {
    const sequence = this.#log.lastSequence;
    if (this.#whole?.sequence !== sequence) {
      const operations: Operation[] = [{ op: 'replace', path: '', value: this.#state.published }];
      this.#whole = { sequence, bytes: this.#event(operations, sequence) };
    }
    return this.#whole.bytes;
  }

  /** The events that bring a client up to date which has seen `lastEventId`, or nothing yet. */
  since(lastEventId: number | undefined): readonly Uint8Array[] {
    const missed = lastEventId === undefined ? 'gap' : this.#log.after(lastEventId);
    return missed === 'gap' ? [this.wholeDocument()] : missed.map((entry) => entry.bytes);
  }

  /** Sends no more; the document can still be read and changed. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #event(operations: readonly Operation[], id: number): Uint8Array {
    const time = rtpTimestampOf(this.#patchTimeUs, VIDEO_CLOCK_RATE_HZ);
    return serverSentEvent('state_patch', operations, { id, time });
  }

  #schedule(): void {
    if (this.#closed || this.#timer !== undefined) return;
    // The first change after a quiet time goes out with this turn of the event loop.
    const sinceMs = (this.#clock.nowUs() - this.#flushedAtUs) / 1000;
    this.#timer = this.#clock.after(Math.max(0, this.#intervalMs - sinceMs), () => this.flush());
  }
}
