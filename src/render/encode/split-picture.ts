/** One compressed picture as it is found in the output of an encoder's process. */
export interface SplitPicture {
  /** Number of the picture among those fed, from 0. */
  readonly index: number;
  readonly keyframe: boolean;
  /** Annex B for H.264 and H.265, one frame for VP8 and VP9, a temporal unit for AV1. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Finds pictures in a stream of bytes that is cut anywhere. */
export interface PictureSplitter {
  /**
   * @returns the pictures that are complete with this chunk.
   * @throws Error when the bytes are not of the container.
   */
  push(chunk: Uint8Array): readonly SplitPicture[];
}

/** No picture is larger: 4K raw has 12 MiB. */
export const MAX_PICTURE_BYTES = 2 ** 24;

/** Bytes that have arrived and have not been taken. */
export class ByteQueue {
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  get byteLength(): number {
    return this.#bytes;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
  }

  /** The first `length` bytes, which must have arrived; they stay. */
  peek(length: number): Buffer {
    if ((this.#chunks[0]?.byteLength ?? 0) < length) {
      this.#chunks.splice(0, this.#chunks.length, Buffer.concat(this.#chunks));
    }
    const [first = new Uint8Array()] = this.#chunks;
    return Buffer.from(first.buffer, first.byteOffset, length);
  }

  /** Takes the first `length` bytes, which must have arrived. */
  take(length: number): Buffer {
    const taken = this.peek(length);
    this.#bytes -= length;
    const [first = taken] = this.#chunks;
    if (first.byteLength === length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(length);
    return taken;
  }
}
