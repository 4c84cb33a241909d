/** One event as it was sent, under its place in the order of its session. */
export interface EventLogEntry {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

export interface EventLogLimits {
  /** Most entries kept. */
  readonly maxEntries: number;
  /** Most bytes kept, over all entries. */
  readonly maxBytes: number;
}

/**
 * A bounded ring of the last events, with a sequence number as cursor. Overflow drops the oldest; whoever comes
 * back for them is told of the gap.
 */
export class EventLog {
  readonly #limits: EventLogLimits;
  /** The entry with sequence number `s` is at `s % maxEntries`. */
  readonly #ring: (EventLogEntry | undefined)[];
  #oldest = 1;
  #last = 0;
  #bytes = 0;

  constructor(limits: EventLogLimits) {
    this.#limits = limits;
    this.#ring = new Array<EventLogEntry | undefined>(limits.maxEntries);
  }

  /** Sequence number of the newest entry; 0 before the first. */
  get lastSequence(): number {
    return this.#last;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends one entry; its bytes may depend on its number. */
  append(encode: (sequence: number) => Uint8Array): EventLogEntry {
    const sequence = this.#last + 1;
    const entry = { sequence, bytes: encode(sequence) };
    if (sequence - this.#oldest === this.#limits.maxEntries) this.#dropOldest();
    this.#ring[this.#slot(sequence)] = entry;
    this.#last = sequence;
    this.#bytes += entry.bytes.byteLength;
    while (this.#bytes > this.#limits.maxBytes) this.#dropOldest();
    return entry;
  }

  /** One entry; undefined where it is gone or was never given. */
  at(sequence: number): EventLogEntry | undefined {
    return sequence < this.#oldest || sequence > this.#last ? undefined : this.#ring[this.#slot(sequence)];
  }

  /** Everything after `sequence`, oldest first; `gap` where part of it is gone or `sequence` was never given. */
  after(sequence: number): readonly EventLogEntry[] | 'gap' {
    if (!Number.isSafeInteger(sequence) || sequence > this.#last || sequence < this.#oldest - 1) return 'gap';
    const entries: EventLogEntry[] = [];
    for (let next = sequence + 1; next <= this.#last; next++) {
      const entry = this.#ring[this.#slot(next)];
      if (entry === undefined) return 'gap';
      entries.push(entry);
    }
    return entries;
  }

  #slot(sequence: number): number {
    return sequence % this.#limits.maxEntries;
  }

  #dropOldest(): void {
    const slot = this.#slot(this.#oldest);
    this.#bytes -= this.#ring[slot]?.bytes.byteLength ?? 0;
    this.#ring[slot] = undefined;
    this.#oldest += 1;
  }
}
