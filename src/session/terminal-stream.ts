import type { Clock, Timer } from '../base/clock.js';
import type { ReplayRecord } from '../terminal/replay-files.js';
import type { ChunkReader, ChunkStream } from './chunk-stream.js';
import { SEQUENCE_BYTES } from '../protocol/chunk-format.js';
import { EventLog } from './event-log.js';
import type { StreamSnapshot } from './websocket-link.js';
import { snapshotMessage } from './websocket-link.js';

export interface TerminalStreamParameters {
  readonly clock: Clock;
  /** Most bytes held for clients that come back. */
  readonly replayBytes: number;
  readonly snapshot: () => Promise<StreamSnapshot>;
  /** Keeps each chunk elsewhere too. */
  readonly onAppended: (sequence: number, data: Uint8Array) => void;
}

/** Most chunks held: one is what was read at a time, which may be a single character. */
const MAX_CHUNKS = 65_536;
/** How long until another snapshot is tried where one could not be taken, ms. */
const RETRY_MS = 500;
/**
 * Numbers that are left out after a restart: chunks may have been sent that never got to the disk, and a number stands for
 * one chunk for ever.
 */
const RESTART_NUMBERS = 2 ** 20;

/** The output of a terminal as numbered chunks; where something is missing a snapshot stands for it. */
export class TerminalStream implements ChunkStream {
  readonly #parameters: TerminalStreamParameters;
  readonly #log: EventLog;
  readonly #readers = new Set<ChunkReader>();
  #taking = false;
  #retry: Timer | undefined;
  /** Once the terminal has ended: the screen that it left, if there was time to read it. */
  #ended = false;
  #last: StreamSnapshot | undefined;
  #closed = false;

  constructor(parameters: TerminalStreamParameters) {
    this.#parameters = parameters;
    this.#log = new EventLog({ maxEntries: MAX_CHUNKS, maxBytes: parameters.replayBytes });
  }

  get lastSequence(): number {
    return this.#log.lastSequence;
  }

  chunk(sequence: number): Uint8Array | undefined {
    return this.#log.at(sequence)?.bytes;
  }

  bytesFrom(sequence: number): number {
    return this.#log.bytesAfter(sequence - 1);
  }

  /** Nothing was seen: as the first chunk, if it is there. */
  resumeAt(lastSequence: number | null): number | undefined {
    const next = (lastSequence ?? 0) + 1;
    return next === this.#log.lastSequence + 1 || this.#log.at(next) !== undefined ? next : undefined;
  }

  /** A snapshot, for all that wait for one by then. */
  requestEntry(): void {
    if (this.#ended) this.#enter(this.#last);
    else if (!this.#taking && this.#retry === undefined && !this.#closed) void this.#takeEntry();
  }

  add(reader: ChunkReader): void {
    this.#readers.add(reader);
  }

  delete(reader: ChunkReader): void {
    this.#readers.delete(reader);
  }

  append(data: Uint8Array): void {
    if (this.#ended || this.#closed || data.byteLength === 0) return;
    const { sequence, bytes } = this.#log.append((next) => chunkOf(next, data));
    this.#parameters.onAppended(sequence, data);
    for (const reader of this.#readers) reader.onChunk(sequence, bytes);
  }

  /** Something is missing here. */
  gap(): void {
    this.#log.skipTo(this.#log.lastSequence + 1);
    for (const reader of this.#readers) reader.onGap();
  }

  /** Takes up what an earlier run has kept. Before the first reader. */
  restore(records: readonly ReplayRecord[]): void {
    for (const { sequence, bytes } of records) {
      this.#log.skipTo(sequence - 1);
      this.#log.append((next) => chunkOf(next, bytes));
    }
    this.#log.skipTo(this.#log.lastSequence + RESTART_NUMBERS);
  }

  /** No more comes. */
  end(last: StreamSnapshot | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#last = last;
    this.#retry?.cancel();
    this.#enter(last);
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#readers.clear();
  }

  async #takeEntry(): Promise<void> {
    this.#taking = true;
    const snapshot = await this.#parameters.snapshot().catch(() => undefined);
    this.#taking = false;
    // The end has an entry of its own.
    if (this.#ended || this.#closed) return;
    if (snapshot !== undefined) this.#enter(snapshot);
    else {
      this.#retry = this.#parameters.clock.after(RETRY_MS, () => {
        this.#retry = undefined;
        this.requestEntry();
      });
    }
  }

  #enter(snapshot: StreamSnapshot | undefined): void {
    const entry =
      snapshot === undefined
        ? { sequence: this.#log.lastSequence + 1 }
        : { sequence: snapshot.seq + 1, message: snapshotMessage(snapshot) };
    for (const reader of this.#readers) reader.onEntry(entry);
  }
}

/** In memory of its own: a slice of the pool of Node would keep the 8 KiB around it. */
function chunkOf(sequence: number, data: Uint8Array): Uint8Array {
  const chunk = Buffer.allocUnsafeSlow(SEQUENCE_BYTES + data.byteLength);
  chunk.writeBigUInt64BE(BigInt(sequence), 0);
  chunk.set(data, SEQUENCE_BYTES);
  return chunk;
}
