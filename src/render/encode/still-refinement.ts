import type { PictureFormat } from './video-encoder.js';

/** Luma samples of one macroblock of H.264 and VP8; for the other codecs it is a measure of area. */
const MACROBLOCK_PIXELS = 16 * 16;
/** A picture that costs less has changed next to nothing. libvpx writes 0.6 for a picture of skipped macroblocks, x264 0.01. */
const SETTLED_BYTES_PER_MACROBLOCK = 1;
/** A rate control whose buffer is empty after a keyframe gives up to two such pictures before it goes on. */
const SETTLED_PICTURES = 3;
/** An encoder without a floor of its quantizer spends its rate on any picture: it ends here. */
const MAX_REFINEMENTS = 40;

/**
 * How far one encoder is with a page that stands still. When a page stops moving, its last picture has the quality of a
 * moving one. It is encoded again, and again, until what comes out shows that the encoder has nothing left to improve.
 */
export class StillRefinement {
  readonly #settledBytes: number;
  #settledPictures = 0;
  #refinementsLeft = MAX_REFINEMENTS;

  constructor({ width, height }: Pick<PictureFormat, 'width' | 'height'>) {
    this.#settledBytes = ((width * height) / MACROBLOCK_PIXELS) * SETTLED_BYTES_PER_MACROBLOCK;
  }

  /** The page has changed. Of an encoder that was settled, a picture that costs next to nothing is as good as it gets. */
  changed(compressedBytes: number): void {
    if (!this.isSettled || compressedBytes > this.#settledBytes) this.restart();
  }

  /** A keyframe is to come. */
  restart(): void {
    this.#settledPictures = 0;
    this.#refinementsLeft = MAX_REFINEMENTS;
  }

  /** The encoder has encoded the last picture again. */
  add(compressedBytes: number): void {
    this.#settledPictures = compressedBytes <= this.#settledBytes ? this.#settledPictures + 1 : 0;
    this.#refinementsLeft -= 1;
  }

  /** Encoding the picture again would improve nothing. */
  get isSettled(): boolean {
    return this.#settledPictures >= SETTLED_PICTURES || this.#refinementsLeft <= 0;
  }
}
