import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

import { audioFileBytes, frameRingLayout, readTrailer, TRAILER_BYTES, type Trailer } from './frame-ring.js';

/** A chunk of float32 samples. Valid until its reader is asked for the next one. */
export interface AudioChunk {
  readonly sampleRateHz: number;
  readonly channels: number;
  readonly samplesPerChannel: number;
  /** The samples of channel 0, then those of channel 1. */
  readonly samples: Buffer;
  /** The browser's own timeline, µs; its origin is unknown. */
  readonly timestampUs: number;
  /** When the page received the chunk: wall-clock µs since the Unix epoch. */
  readonly arrivalUs: number;
}

/** Reads the chunks of the shared audio file in order. One that was overwritten unread is skipped. */
export class AudioRingReader {
  readonly #fd: number;
  readonly #slotCount: number;
  readonly #slotBytes: number;
  readonly #slotStride: number;
  readonly #trailer = Buffer.alloc(TRAILER_BYTES);
  readonly #samples: Buffer;
  #nextSequence = 0;
  #closed = false;

  /** @throws Error when the file is missing or of another size than the layout says. */
  constructor(path: string) {
    const layout = frameRingLayout(64, 64);
    this.#slotCount = layout.audioSlotCount;
    this.#slotBytes = layout.audioSlotBytes;
    this.#slotStride = layout.audioSlotBytes + layout.trailerBytes;
    this.#samples = Buffer.alloc(layout.audioSlotBytes);
    this.#fd = openSync(path, 'r');
    if (fstatSync(this.#fd).size !== audioFileBytes(layout)) {
      closeSync(this.#fd);
      throw new Error('The shared audio file has an unexpected size');
    }
    this.skipToNewest();
  }

  /** Forgets what was written before now. */
  skipToNewest(): void {
    if (this.#closed) return;
    let newest = 0;
    for (let slot = 0; slot < this.#slotCount; slot++) {
      const sequence = this.#readTrailer(slot)?.sequence ?? 0;
      if (sequence > newest) newest = sequence;
    }
    this.#nextSequence = newest + 1;
  }

  /** The next chunk, or undefined when there is none yet. */
  next(): AudioChunk | undefined {
    if (this.#closed) return undefined;
    const slot = this.#nextSequence % this.#slotCount;
    const trailer = this.#readTrailer(slot);
    if (!trailer || trailer.sequence < this.#nextSequence) return undefined;
    if (trailer.sequence > this.#nextSequence) {
      // Overrun: this thread was away for longer than the ring.
      this.skipToNewest();
      return undefined;
    }
    const { format: sampleRateHz, width: channels, height: samplesPerChannel } = trailer;
    this.#nextSequence++;
    const bytes = channels * samplesPerChannel * 4;
    if (channels < 1 || channels > 2 || bytes === 0 || bytes > this.#slotBytes) return undefined;
    if (sampleRateHz < 8_000 || sampleRateHz > 192_000) return undefined;
    const samples = this.#samples.subarray(0, bytes);
    if (readSync(this.#fd, samples, 0, bytes, slot * this.#slotStride) !== bytes) return undefined;
    if (this.#readTrailer(slot)?.sequence !== trailer.sequence) return undefined;
    const { timestampUs, arrivalUs } = trailer;
    return { sampleRateHz, channels, samplesPerChannel, samples, timestampUs, arrivalUs };
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #readTrailer(slot: number): Trailer | undefined {
    const position = slot * this.#slotStride + this.#slotBytes;
    if (readSync(this.#fd, this.#trailer, 0, TRAILER_BYTES, position) !== TRAILER_BYTES) return undefined;
    return readTrailer(this.#trailer);
  }
}
