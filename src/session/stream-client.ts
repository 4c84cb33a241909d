import type { Clock, Timer } from '../base/clock.js';
import type { SeatChannel, SeatChannelListener } from '../input/control-seat.js';
import type { TypedMessage } from '../input/input-message.js';
import { isPlainObject } from '../options/option-checks.js';
import type { ChunkReader, ChunkStream, StreamEntry } from './chunk-stream.js';
import type { MessageSink } from './message-sink.js';

/** The session as it is now, for one that sees nothing else of it. */
export interface StreamSnapshot {
  /** Number of the last chunk that it contains. */
  readonly seq: number;
  /** Of a page a PNG, of a terminal what draws its screen. */
  readonly data: Uint8Array;
}

export interface StreamClientParameters {
  readonly clock: Clock;
  /** The messages with which a connection begins. */
  readonly sessionMeta: () => string;
  readonly state: () => string;
  readonly snapshot: () => Promise<StreamSnapshot>;
}

export interface StreamClientListener {
  /** The client has said where it begins: it wants the stream. */
  onResumed(client: StreamClient): void;
  onClosed(client: StreamClient): void;
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

/**
 * One WebSocket of a session: what it begins with, where it resumes, and what it is sent in bounded memory however slow
 * it is. It reads the chunks that all clients share at its own pace.
 */
export class StreamClient implements ChunkReader {
  readonly #sink: MessageSink;
  readonly #parameters: StreamClientParameters;
  readonly #listener: StreamClientListener;
  /** Undefined until it is one of the session's clients. */
  #channel: SeatChannel | undefined;
  #resumeTimer: Timer | undefined;
  /** Undefined until the client has said it, or the time is over; null for none. */
  #lastSequence: number | null | undefined;
  #stream: ChunkStream | undefined;
  /** Number of the chunk to be sent next; undefined while an entry is waited for. */
  #next: number | undefined;
  #unsentBytes = 0;
  #hasCaughtUp = false;
  #owesState = false;
  #takesSnapshot = false;
  /** How it is to be closed once it has everything. */
  #finish: { readonly code: number; readonly reason: string } | undefined;
  #finishTimer: Timer | undefined;
  #closed = false;

  constructor(sink: MessageSink, parameters: StreamClientParameters, listener: StreamClientListener) {
    this.#sink = sink;
    this.#parameters = parameters;
    this.#listener = listener;
    this.#resumeTimer = parameters.clock.after(RESUME_TIMEOUT_MS, () => this.#resume(null));
    sink.listen({
      onText: (text) => this.#onText(text),
      onBinary: () => this.#sendError('bad_message', 'Expected text, received binary'),
      onDrain: () => this.#onDrain(),
      onClosed: () => this.#onClosed(),
    });
    sink.sendText(parameters.sessionMeta());
    sink.sendText(parameters.state());
  }

  /**
   * It is one of the session's clients.
   *
   * @param openChannel - to the seat that it has; tells it whether it has control.
   */
  arrive(openChannel: (listener: SeatChannelListener) => SeatChannel): void {
    this.#channel = openChannel({
      send: (text) => this.#tell(text),
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

  onChunk(_sequence: number, bytes: Uint8Array): void {
    if (this.#next === undefined) return;
    this.#unsentBytes += bytes.byteLength;
    this.#pump();
    const waitingBytes = this.#unsentBytes + this.#sink.backlogBytes;
    if (this.#hasCaughtUp && waitingBytes > MAX_WAITING_BYTES) this.#beginAt(undefined);
  }

  onGap(): void {
    this.#pump();
  }

  onEntry({ sequence, message }: StreamEntry): void {
    // One that is still behind would only be dropped again.
    if (this.#next !== undefined || this.#sink.backlogBytes > MAX_BACKLOG_BYTES) return;
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
    this.#unsentBytes = sequence === undefined ? 0 : (this.#stream?.bytesFrom(sequence) ?? 0);
    this.#hasCaughtUp = false;
  }

  #beginAfter(lastSequence: number | null): void {
    this.#beginAt(this.#stream?.resumeAt(lastSequence));
    if (this.#next === undefined) this.#stream?.requestEntry();
  }

  #pump(): void {
    const stream = this.#stream;
    while (stream !== undefined && this.#next !== undefined && this.#sink.backlogBytes < MAX_BACKLOG_BYTES) {
      if (this.#next > stream.lastSequence) {
        this.#hasCaughtUp = true;
        if (this.#finish !== undefined) {
          if (this.#owesState) this.#sink.sendText(this.#parameters.state());
          this.close(this.#finish.code, this.#finish.reason);
        }
        return;
      }
      const chunk = stream.chunk(this.#next);
      if (chunk === undefined) {
        // It fell behind what is kept.
        this.#beginAfter(this.#next - 1);
        continue;
      }
      this.#sink.sendBinary(chunk);
      this.#unsentBytes -= chunk.byteLength;
      this.#next += 1;
    }
  }

  #onDrain(): void {
    if (this.#closed) return;
    if (this.#owesState) this.sendState();
    if (this.#next === undefined && this.#sink.backlogBytes < MAX_BACKLOG_BYTES) {
      this.#stream?.requestEntry();
    }
    this.#pump();
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
    this.#tell(JSON.stringify({ type: 'error', code, message }));
  }

  /** A client that sends faster than it reads is cut off. */
  #tell(text: string): boolean {
    if (this.#sink.backlogBytes > MAX_WAITING_BYTES) this.#sink.abort();
    else this.#sink.sendText(text);
    return true;
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
