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
 * A bounded ring of the last events, with a sequence number as cursor: of state patches, of a page's media and of a
 * terminal's output. Overflow drops the oldest; whoever comes back for them is told of the gap. Numbers only grow, and may
 * leave some out.
 */
export class EventLog {
  readonly #limits: EventLogLimits;
  /** The oldest is at `#head`; the others follow in their order, around the end. */
  readonly #ring: (EventLogEntry | undefined)[] = [];
  #head = 0;
  #count = 0;
  #last = 0;
  #bytes = 0;

  constructor(limits: EventLogLimits) {
    this.#limits = limits;
  }

  /** Sequence number of the newest entry, or the last that was left out after it; 0 before the first. */
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
    if (this.#count === this.#limits.maxEntries) this.#dropOldest();
    this.#ring[this.#slot(this.#count)] = entry;
    this.#count += 1;
    this.#last = sequence;
    this.#bytes += entry.bytes.byteLength;
    while (this.#bytes > this.#limits.maxBytes) this.#dropOldest();
    return entry;
  }

  /** Leaves out the numbers up to `sequence`: something is missing there. One that is given already changes nothing. */
  skipTo(sequence: number): void {
    this.#last = Math.max(this.#last, sequence);
  }

  /** One entry; undefined where it is gone or was never given. */
  at(sequence: number): EventLogEntry | undefined {
    const entry = this.#entry(this.#firstIndexFrom(sequence));
    return entry?.sequence === sequence ? entry : undefined;
  }

  /** Everything after `sequence`, oldest first; `gap` where part of it is gone or `sequence` was never given. */
  after(sequence: number): readonly EventLogEntry[] | 'gap' {
    if (!Number.isSafeInteger(sequence) || sequence > this.#last || sequence < 0) return 'gap';
    const entries = this.#heldAfter(sequence);
    return entries.length === this.#last - sequence ? entries : 'gap';
  }

  /** Bytes of what is held after `sequence`. */
  bytesAfter(sequence: number): number {
    return this.#heldAfter(sequence).reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  }

  #heldAfter(sequence: number): EventLogEntry[] {
    const entries: EventLogEntry[] = [];
    for (let index = this.#firstIndexFrom(sequence + 1); index < this.#count; index++) {
      const entry = this.#entry(index);
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  /** Index, from the oldest on, of the first entry whose number is not below `sequence`. */
  #firstIndexFrom(sequence: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entry(middle)?.sequence ?? Infinity) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #entry(index: number): EventLogEntry | undefined {
    return index < this.#count ? this.#ring[this.#slot(index)] : undefined;
  }

  #slot(index: number): number {
    return (this.#head + index) % this.#limits.maxEntries;
  }

  #dropOldest(): void {
    this.#bytes -= this.#ring[this.#head]?.bytes.byteLength ?? 0;
    this.#ring[this.#head] = undefined;
    this.#head = this.#slot(1);
    this.#count -= 1;
  }
}
