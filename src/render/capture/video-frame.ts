/**
 * How a picture's luma and chroma were made from RGB: the coefficients of ITU-R BT.601 or BT.709. Primaries and
 * transfer are those of BT.709 either way, and the range is limited.
 */
export type ColourMatrix = 'bt601' | 'bt709';

/** A raw 4:2:0 picture. Valid until its reader is asked for the next one. */
export interface VideoFrame {
  /** `i420`: planes Y, U, V. `nv12`: planes Y, interleaved UV. */
  readonly format: 'i420' | 'nv12';
  readonly width: number;
  readonly height: number;
  readonly matrix: ColourMatrix;
  /** When the picture was captured, monotonic µs of this machine. */
  readonly captureTimeUs: number;
  /** Grows with each picture captured; gaps are pictures that nobody read. */
  readonly sequence: number;
  /**
   * Copies the tightly packed planes, one destination a plane, each of exactly the plane's size.
   * @returns false when the picture is gone or broken; what the destinations hold is then undefined.
   */
  copyTo(planes: readonly Uint8Array[]): boolean;
}

/** Hands out the newest picture of a source. Older ones that nobody took in time are skipped. */
export interface VideoFrameReader {
  /** The newest picture not yet handed out, or undefined. */
  next(): VideoFrame | undefined;
  /** The source has changed: pictures of this size come from now on. */
  resize(width: number, height: number): void;
  /** Idempotent. */
  close(): void;
}
