import { ByteQueue, MAX_PICTURE_BYTES, type PictureSplitter, type SplitPicture } from './split-picture.js';

const FILE_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 12;

/** Finds VP8 frames in IVF, whose frame headers hold the size: a frame is complete without the next one. */
export class IvfSplitter implements PictureSplitter {
  readonly #queue = new ByteQueue();
  #started = false;

  push(chunk: Uint8Array): readonly SplitPicture[] {
    const queue = this.#queue;
    queue.push(chunk);
    const pictures: SplitPicture[] = [];
    if (!this.#started) {
      if (queue.byteLength < FILE_HEADER_BYTES) return pictures;
      if (queue.take(FILE_HEADER_BYTES).toString('latin1', 0, 4) !== 'DKIF')
        throw new Error('This is no IVF');
      this.#started = true;
    }
    while (queue.byteLength >= FRAME_HEADER_BYTES) {
      const header = queue.peek(FRAME_HEADER_BYTES);
      const bytes = header.readUInt32LE(0);
      if (bytes === 0 || bytes > MAX_PICTURE_BYTES)
        throw new Error(`A picture of ${bytes} bytes was announced`);
      if (queue.byteLength < FRAME_HEADER_BYTES + bytes) break;
      // The time base is one picture, so that the time stamp is its number.
      const index = Number(header.readBigUInt64LE(4));
      queue.take(FRAME_HEADER_BYTES);
      const frame = Uint8Array.from(queue.take(bytes));
      // RFC 6386 section 9.1: the lowest bit of the frame tag is 0 for a key frame.
      pictures.push({ index, keyframe: ((frame[0] ?? 1) & 1) === 0, bytes: frame });
    }
    return pictures;
  }
}
