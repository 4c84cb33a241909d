import { closeSync, fstatSync, openSync, readSync, watch, writeSync, type FSWatcher } from 'node:fs';

import type { VideoSource } from './capture.js';
import { frameRingLayout, readTrailer, TRAILER_BYTES, videoFileBytes, type Trailer } from './frame-ring.js';
import type { ColourMatrix, VideoFrame, VideoFrameReader } from './video-frame.js';

/**
 * A lost file event must not cost more than a frame or two, so the trailers are looked at this often anyway; a
 * look costs about 10 µs.
 */
const POLL_INTERVAL_MS = 20;
/** The same while no pictures are taken: a page that stands still, that nobody watches, or that there is none of yet. */
const QUIET_POLL_INTERVAL_MS = 500;
/** After so many looks without a picture, which take two seconds. */
const QUIET_LOOKS = 100;

const FORMATS = { 1: 'i420', 2: 'nv12' } as const;

/** Reads pictures from the shared file that a capture page writes; runs in the thread that encodes them. */
export class VideoRingReader implements VideoFrameReader {
  #width: number;
  #height: number;
  readonly #matrix: ColourMatrix;
  readonly #slotCount: number;
  #slotStride: number;
  #pictureBytes: number;
  #fileBytes: number;
  readonly #videoFd: number;
  readonly #creditsFd: number;
  readonly #watcher: FSWatcher;
  readonly #onReady: () => void;
  #poll: NodeJS.Timeout;
  #pollIntervalMs = QUIET_POLL_INTERVAL_MS;
  /** Looks since a picture was taken. */
  #looks = 0;
  readonly #trailer = Buffer.alloc(TRAILER_BYTES);
  readonly #credit = Buffer.alloc(8);
  #lastSequence = 0;
  #closed = false;

  /**
   * @param onReady - called when there may be something new to take.
   * @throws Error when a file is missing.
   */
  constructor(source: Extract<VideoSource, { kind: 'ring' }>, onReady: () => void) {
    const { width, height, path, creditsPath, matrix } = source;
    const layout = frameRingLayout(width, height);
    this.#matrix = matrix;
    this.#width = width;
    this.#height = height;
    this.#slotCount = layout.videoSlotCount;
    this.#slotStride = layout.videoSlotBytes + layout.trailerBytes;
    this.#pictureBytes = layout.videoSlotBytes;
    this.#fileBytes = videoFileBytes(layout);
    this.#videoFd = openSync(path, 'r');
    try {
      this.#creditsFd = openSync(creditsPath, 'r+');
    } catch (error) {
      closeSync(this.#videoFd);
      throw error;
    }
    // A write by the page wakes this thread through inotify, without a hop through either browser or event loop.
    this.#watcher = watch(path, { persistent: false }, onReady);
    this.#watcher.on('error', () => undefined);
    this.#onReady = onReady;
    this.#poll = this.#startPoll();
  }

  next(): VideoFrame | undefined {
    // While the page lays out the file anew, and until this thread is told of the new size, there is nothing to take.
    if (this.#closed || fstatSync(this.#videoFd).size !== this.#fileBytes) return undefined;
    let newest: Trailer | undefined;
    for (let slot = 0; slot < this.#slotCount; slot++) {
      const trailer = this.#readTrailer(slot);
      if (trailer && (newest === undefined || isNewer(trailer.sequence, newest.sequence))) newest = trailer;
    }
    if (!newest || newest.sequence === this.#lastSequence) return undefined;
    this.#lastSequence = newest.sequence;
    this.#looks = 0;
    this.#pollEvery(POLL_INTERVAL_MS);
    const format = FORMATS[newest.format as keyof typeof FORMATS] as 'i420' | 'nv12' | undefined;
    if (!format || newest.width !== this.#width || newest.height !== this.#height) return undefined;
    const { sequence, width, height, timestampUs } = newest;
    return {
      format,
      width,
      height,
      sequence,
      matrix: this.#matrix,
      captureTimeUs: timestampUs,
      copyTo: (planes) => this.#copy(sequence, planes),
    };
  }

  /** Takes pictures of this size from now on. The page has laid out the file anew before, and may have done so again since. */
  resize(width: number, height: number): void {
    const layout = frameRingLayout(width, height);
    this.#width = width;
    this.#height = height;
    this.#slotStride = layout.videoSlotBytes + layout.trailerBytes;
    this.#pictureBytes = layout.videoSlotBytes;
    this.#fileBytes = videoFileBytes(layout);
  }

  #pollEvery(intervalMs: number): void {
    if (intervalMs === this.#pollIntervalMs) return;
    clearInterval(this.#poll);
    this.#pollIntervalMs = intervalMs;
    this.#poll = this.#startPoll();
  }

  #startPoll(): NodeJS.Timeout {
    return setInterval(() => {
      this.#looks += 1;
      if (this.#looks >= QUIET_LOOKS) this.#pollEvery(QUIET_POLL_INTERVAL_MS);
      this.#onReady();
    }, this.#pollIntervalMs);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watcher.close();
    clearInterval(this.#poll);
    closeSync(this.#videoFd);
    closeSync(this.#creditsFd);
  }

  #copy(sequence: number, planes: readonly Uint8Array[]): boolean {
    if (this.#closed) return false;
    const slot = sequence % this.#slotCount;
    this.#claim(sequence);
    try {
      let position = slot * this.#slotStride;
      let remaining = this.#pictureBytes;
      for (const plane of planes) {
        if (plane.byteLength > remaining) return false;
        if (readSync(this.#videoFd, plane, 0, plane.byteLength, position) !== plane.byteLength) return false;
        position += plane.byteLength;
        remaining -= plane.byteLength;
      }
      // The page may have begun to overwrite the slot between the look at its trailer and the claim.
      return this.#readTrailer(slot)?.sequence === sequence;
    } finally {
      this.#claim(0);
    }
  }

  #claim(sequence: number): void {
    this.#credit.writeUInt32LE(sequence, 0);
    this.#credit.writeUInt32LE(~sequence >>> 0, 4);
    writeSync(this.#creditsFd, this.#credit, 0, 8, 0);
  }

  #readTrailer(slot: number): Trailer | undefined {
    const position = slot * this.#slotStride + this.#pictureBytes;
    const read = readSync(this.#videoFd, this.#trailer, 0, TRAILER_BYTES, position);
    if (read !== TRAILER_BYTES) return undefined;
    const trailer = readTrailer(this.#trailer);
    return trailer && trailer.sequence % this.#slotCount === slot ? trailer : undefined;
  }
}

/** Sequence numbers are 32 bits and wrap after two years at 60 frames a second. */
function isNewer(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}
