import type { Clock, Timer } from '../base/clock.js';
import type { SeatChannel, SeatChannelListener } from '../input/control-seat.js';
import type { TypedMessage } from '../input/input-message.js';
import { isPlainObject } from '../options/option-checks.js';
import type { ChunkReader, ChunkStream, StreamEntry } from './chunk-stream.js';
import { DeliveryMeter } from './delivery-meter.js';
import type { MessageSink } from './message-sink.js';

/** The session as it is now, for one that sees nothing else of it. */
export interface StreamSnapshot {
  /** Number of the last chunk that it contains. */
  readonly seq: number;
  /** Of a page a PNG, of a terminal what draws its screen. */
  readonly data: Uint8Array;
}

export interface WebSocketLinkParameters {
  readonly clock: Clock;
  /** The messages with which a connection begins. */
  readonly sessionMeta: () => string;
  readonly state: () => string;
  readonly snapshot: () => Promise<StreamSnapshot>;
}

export interface WebSocketLinkListener {
  /** The client has said where it begins: it wants the stream. */
  onResumed(client: WebSocketLink): void;
  onClosed(client: WebSocketLink): void;
  /** Bytes of the stream were handed to the connection. */
  onSent?(bytes: number): void;
}

/** RFC 6455 section 7.4.1. */
export const CLOSE_POLICY_VIOLATION = 1008;
/** How long a client may take to say where it begins, ms. */
const RESUME_TIMEOUT_MS = 1000;
/** How long a client may take to read what is left at the end, ms. */
const FINISH_TIMEOUT_MS = 5000;
/** Most bytes of chunks that wait for one client that has caught up; beyond it they are dropped up to an entry. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** What is handed to the connection at a time; the rest waits in the log that all clients share. */
const MAX_BACKLOG_BYTES = 1024 * 1024;

/** How long one that begins anew may take to catch up where chunks can be too old, ms. */
const CATCH_UP_MS = 1500;

/** One that falls behind again within this time, ms, waits twice as long before it asks for an entry. */
const ENTRY_WAIT_RESET_MS = 10_000;
const FIRST_ENTRY_WAIT_MS = 500;
const MAX_ENTRY_WAIT_MS = 4000;

/** A chunk that waits for its turn. */
interface WaitingChunk {
  readonly sequence: number;
  readonly sinceMs: number;
}

/**
 * A WebSocket of a viewer: what it begins with, where it resumes, and what it is sent in bounded memory however slow
 * it is. It reads the chunks that all clients share at its own pace.
 */
export class WebSocketLink implements ChunkReader {
  readonly #sink: MessageSink;
  readonly #parameters: WebSocketLinkParameters;
  readonly #listener: WebSocketLinkListener;
  /** Undefined until it belongs to a viewer. */
  #channel: SeatChannel | undefined;
  #resumeTimer: Timer | undefined;
  /** Undefined until the client has said it, or the time is over; null for none. */
  #lastSequence: number | null | undefined;
  #stream: ChunkStream | undefined;
  /** Number of the chunk to be sent next; undefined while an entry is waited for. */
  #next: number | undefined;
  #unsentBytes = 0;
  #hasCaughtUp = false;
  /** When the chunks began that it has not caught up with. */
  #begunAtMs = 0;
  readonly #delivery = new DeliveryMeter();
  /** Where chunks can be too old, those that came live and were not sent, oldest first. */
  #waiting: WaitingChunk[] = [];
  #reportedBps: number | undefined;
  /** When it may ask for an entry, which everybody pays for, and how long it waits after the next time it falls behind. */
  #entryAtMs = 0;
  #entryWaitMs = 0;
  #fellBehindAtMs = -Infinity;
  #owesState = false;
  #takesSnapshot = false;
  /** How it is to be closed once it has everything. */
  #finish: { readonly code: number; readonly reason: string } | undefined;
  #finishTimer: Timer | undefined;
  #closed = false;

  constructor(sink: MessageSink, parameters: WebSocketLinkParameters, listener: WebSocketLinkListener) {
    this.#sink = sink;
    this.#parameters = parameters;
    this.#listener = listener;
    this.#resumeTimer = parameters.clock.after(RESUME_TIMEOUT_MS, () => this.#resume(null));
    sink.listen({
      onText: (text) => this.#onText(text),
      onBinary: () => this.#sendError('bad_message', 'Expected text, received binary'),
      onPong: () => this.#onPong(),
      onDrain: () => this.#onDrain(),
      onClosed: () => this.#onClosed(),
    });
    sink.sendText(parameters.sessionMeta());
    sink.sendText(parameters.state());
  }

  /**
   * It belongs to a viewer.
   *
   * @param openChannel - to the seat of the viewer; tells it whether it has control.
   */
  arrive(openChannel: (listener: SeatChannelListener) => SeatChannel): void {
    this.#channel = openChannel({
      send: (text) => this.tell(text),
      onExcess: () => this.close(CLOSE_POLICY_VIOLATION, 'too_much_input'),
    });
  }

  get hasResumed(): boolean {
    return this.#lastSequence !== undefined;
  }

  /** Something that the session says to all of its clients. */
  sendText(text: string): void {
    this.#sink.sendText(text);
  }

  /** Something that is said to this one alone. One that sends faster than it reads is cut off. @returns true */
  tell(text: string): boolean {
    if (this.#sink.backlogBytes > MAX_WAITING_BYTES) this.#sink.abort();
    else this.#sink.sendText(text);
    return true;
  }

  /** The state as it is now; a client that is behind gets it when it has caught up. */
  sendState(): void {
    this.#owesState = this.#sink.backlogBytes > MAX_BACKLOG_BYTES;
    if (!this.#owesState) this.#sink.sendText(this.#parameters.state());
  }

  /** The chunks begin; once, after the client has resumed. @throws StreamKitError as {@link ChunkStream.add} does. */
  follow(stream: ChunkStream): void {
    stream.add(this);
    this.#stream = stream;
    this.#beginAfter(this.#lastSequence ?? null);
    this.#pump();
  }

  onChunk(sequence: number, bytes: Uint8Array): void {
    if (this.#next === undefined) {
      this.#requestEntry();
      return;
    }
    this.#unsentBytes += bytes.byteLength;
    if (this.#isTimed) this.#waiting.push({ sequence, sinceMs: this.#nowMs });
    this.#pump();
    const waitingBytes = this.#unsentBytes + this.#sink.backlogBytes;
    if (this.#hasCaughtUp && waitingBytes > MAX_WAITING_BYTES) this.#beginAt(undefined);
  }

  onGap(): void {
    this.#pump();
  }

  onEntry({ sequence, message }: StreamEntry): void {
    // One that is still behind would only be dropped again.
    if (this.#next !== undefined || !this.#takesMore) return;
    if (message !== undefined) this.#sink.sendText(message);
    this.#beginAt(sequence);
    this.#pump();
  }

  /**
   * Nothing more comes: closes it when it has everything that there is, or has taken too long.
   *
   * @param code - RFC 6455 section 7.4.1.
   */
  finish(code: number, reason: string): void {
    if (this.#closed || this.#finish !== undefined) return;
    this.#finish = { code, reason };
    this.#finishTimer = this.#parameters.clock.after(FINISH_TIMEOUT_MS, () => this.close(code, reason));
    this.#pump();
  }

  /** @param code - RFC 6455 section 7.4.1. */
  close(code: number, reason: string): void {
    this.#sink.close(code, reason);
    this.#onClosed();
  }

  #beginAt(sequence: number | undefined): void {
    this.#next = sequence;
    this.#waiting = [];
    this.#begunAtMs = this.#nowMs;
    this.#unsentBytes = sequence === undefined ? 0 : (this.#stream?.bytesFrom(sequence) ?? 0);
    this.#hasCaughtUp = false;
  }

  #beginAfter(lastSequence: number | null): void {
    this.#beginAt(this.#stream?.resumeAt(lastSequence));
    if (this.#next === undefined) this.#stream?.requestEntry();
  }

  #pump(): void {
    const stream = this.#stream;
    this.#dropWhatIsOld();
    while (stream !== undefined && this.#next !== undefined && this.#takesMore) {
      if (this.#next > stream.lastSequence) {
        this.#hasCaughtUp = true;
        if (this.#finish !== undefined) {
          if (this.#owesState) this.#sink.sendText(this.#parameters.state());
          this.close(this.#finish.code, this.#finish.reason);
        }
        return;
      }
      const sequence = this.#next;
      const chunk = stream.chunk(sequence);
      if (chunk === undefined) {
        // It fell behind what is kept.
        this.#beginAfter(sequence - 1);
        continue;
      }
      this.#next = sequence + 1;
      this.#unsentBytes -= chunk.byteLength;
      this.#sink.sendBinary(chunk);
      this.#listener.onSent?.(chunk.byteLength);
      if (this.#isTimed) this.#measure(sequence, chunk.byteLength);
    }
  }

  /** Chunks can be too old: what waits is looked at, and what is under way bounded. */
  get #isTimed(): boolean {
    return this.#stream?.maxAgeMs !== undefined;
  }

  get #nowMs(): number {
    return this.#parameters.clock.nowUs() / 1000;
  }

  get #takesMore(): boolean {
    if (this.#sink.backlogBytes >= MAX_BACKLOG_BYTES) return false;
    return !this.#isTimed || this.#delivery.inFlightBytes < this.#delivery.windowBytes;
  }

  #measure(sequence: number, bytes: number): void {
    while ((this.#waiting[0]?.sequence ?? Infinity) <= sequence) this.#waiting.shift();
    this.#delivery.sent(bytes, this.#nowMs);
    if (this.#delivery.takePing(this.#nowMs)) this.#sink.ping();
  }

  /** Goes on at the next entry where the oldest chunk has waited too long, or the connection does not catch up. */
  #dropWhatIsOld(): void {
    const maxAgeMs = this.#stream?.maxAgeMs;
    if (maxAgeMs === undefined || this.#next === undefined) return;
    const waitsMs = this.#nowMs - (this.#waiting[0]?.sinceMs ?? this.#nowMs);
    const isOld = this.#hasCaughtUp ? waitsMs > maxAgeMs : this.#nowMs - this.#begunAtMs > CATCH_UP_MS;
    if (!isOld) return;
    const isNew = this.#nowMs - this.#fellBehindAtMs > ENTRY_WAIT_RESET_MS;
    this.#fellBehindAtMs = this.#nowMs;
    this.#entryWaitMs = isNew
      ? 0
      : Math.min(MAX_ENTRY_WAIT_MS, Math.max(FIRST_ENTRY_WAIT_MS, this.#entryWaitMs * 2));
    this.#entryAtMs = this.#nowMs + this.#entryWaitMs;
    this.#delivery.onQueue(this.#nowMs);
    this.#beginAt(undefined);
    this.#reportEstimate();
  }

  #onPong(): void {
    if (this.#closed) return;
    this.#delivery.onPong(this.#nowMs);
    // What was sent since the last ping has one of its own.
    if (this.#delivery.takePing(this.#nowMs)) this.#sink.ping();
    this.#reportEstimate();
    this.#onDrain();
  }

  #reportEstimate(): void {
    const { estimateBps } = this.#delivery;
    if (estimateBps === this.#reportedBps) return;
    this.#reportedBps = estimateBps;
    this.#stream?.onEstimate?.(this, estimateBps);
  }

  #onDrain(): void {
    if (this.#closed) return;
    if (this.#owesState) this.sendState();
    this.#requestEntry();
    this.#pump();
  }

  #requestEntry(): void {
    if (this.#next !== undefined || !this.#takesMore || this.#nowMs < this.#entryAtMs) return;
    this.#stream?.requestEntry();
  }

  #onText(text: string): void {
    if (this.#closed || this.#channel?.admit(text) !== true) return;
    const message = parseMessage(text);
    if (message === undefined) this.#sendError('bad_message', 'Expected a JSON object with a type');
    else if (message.type === 'resume') this.#onResume(message.lastSeq);
    else if (message.type === 'snapshot-request') this.#onSnapshotRequest();
    else this.#channel.onMessage(message);
  }

  #onResume(lastSeq: unknown): void {
    const last = lastSeq ?? null;
    if (last === null || isSequence(last)) this.#resume(last);
    else this.#sendError('bad_input', 'Expected whole number of 0 or more, or null, for lastSeq');
  }

  /** The first one counts. */
  #resume(lastSequence: number | null): void {
    if (this.#closed || this.#lastSequence !== undefined) return;
    this.#resumeTimer?.cancel();
    this.#lastSequence = lastSequence;
    this.#listener.onResumed(this);
  }

  #onSnapshotRequest(): void {
    if (this.#takesSnapshot || this.#sink.backlogBytes > MAX_BACKLOG_BYTES) {
      this.#sendError('snapshot_failed', 'A snapshot is being taken or sent already');
      return;
    }
    this.#takesSnapshot = true;
    Promise.resolve()
      .then(() => this.#parameters.snapshot())
      .then(
        (snapshot) => this.#sink.sendText(snapshotMessage(snapshot)),
        () => this.#sendError('snapshot_failed', 'The snapshot could not be taken'),
      )
      .finally(() => {
        this.#takesSnapshot = false;
      });
  }

  #sendError(code: 'bad_message' | 'bad_input' | 'snapshot_failed', message: string): void {
    this.tell(JSON.stringify({ type: 'error', code, message }));
  }

  #onClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#resumeTimer?.cancel();
    this.#finishTimer?.cancel();
    this.#channel?.close();
    this.#stream?.delete(this);
    this.#stream = undefined;
    this.#listener.onClosed(this);
  }
}

/** A snapshot as it is sent. */
export function snapshotMessage({ seq, data }: StreamSnapshot): string {
  const base64 = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
  return JSON.stringify({ type: 'snapshot', seq, data: base64 });
}

function parseMessage(text: string): TypedMessage | undefined {
  try {
    const message: unknown = JSON.parse(text);
    if (!isPlainObject(message) || typeof message.type !== 'string') return undefined;
    return message as TypedMessage;
  } catch {
    return undefined;
  }
}

function isSequence(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
