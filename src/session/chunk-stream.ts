/** Where a reader that knows nothing of what came before can begin. */
export interface StreamEntry {
  /** Number of the chunk to begin with; it may be yet to come. */
  readonly sequence: number;
  /** Stands for all before it; sent first. */
  readonly message?: string;
}

/** One that reads a {@link ChunkStream}. */
export interface ChunkReader {
  onChunk(sequence: number, bytes: Uint8Array): void;
  /** The numbers up to the newest stand for nothing: whoever has read all there is goes on at an entry. */
  onGap(): void;
  /** One that waits may begin here. */
  onEntry(entry: StreamEntry): void;
}

/** What a session sends as numbered chunks, each made once for all readers: `[sequence: 8, big-endian][data]`. */
export interface ChunkStream {
  /** Number of the newest chunk; 0 before the first. */
  readonly lastSequence: number;
  /** Undefined where it is gone or was never made. */
  chunk(sequence: number): Uint8Array | undefined;
  /** Bytes of what is held from `sequence` on. */
  bytesFrom(sequence: number): number;
  /**
   * Number of the chunk with which a reader goes on that has seen everything up to `lastSequence`, or nothing (null).
   * Undefined: there is none, it needs an entry.
   */
  resumeAt(lastSequence: number | null): number | undefined;
  /** An entry comes soon, to all that wait for one, if there can be one. */
  requestEntry(): void;
  /** @throws StreamKitError where the stream cannot be opened. */
  add(reader: ChunkReader): void;
  delete(reader: ChunkReader): void;
  /** Idempotent. */
  close(): void;
}
