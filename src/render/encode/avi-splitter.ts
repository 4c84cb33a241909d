import { isH265Keyframe } from '../packetize/h265-nal-type.js';
import { ByteQueue, MAX_PICTURE_BYTES, type PictureSplitter, type SplitPicture } from './split-picture.js';

/** RIFF, its size, and its type. */
const FILE_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;
const TYPE_BYTES = 4;
/** Pictures of the first stream, compressed. */
const PICTURE = '00dc';

/**
 * Finds H.265 access units, as Annex B, in AVI (Microsoft, AVI RIFF File Reference). FFmpeg has long been able to write them to AVI,
 * but to FLV only recently. A chunk says how long it is, so a picture is complete without the next one. An empty chunk stands for a
 * picture that the encoder left out.
 */
export class AviSplitter implements PictureSplitter {
  readonly #queue = new ByteQueue();
  #started = false;
  #index = 0;

  push(chunk: Uint8Array): readonly SplitPicture[] {
    const queue = this.#queue;
    queue.push(chunk);
    const pictures: SplitPicture[] = [];
    if (!this.#started) {
      if (queue.byteLength < FILE_HEADER_BYTES) return pictures;
      const header = queue.take(FILE_HEADER_BYTES).toString('latin1');
      if (!header.startsWith('RIFF') || !header.endsWith('AVI '))
        throw new Error('Expected a RIFF file of type AVI; received another file');
      this.#started = true;
    }
    while (queue.byteLength >= CHUNK_HEADER_BYTES + TYPE_BYTES) {
      const header = queue.peek(CHUNK_HEADER_BYTES + TYPE_BYTES).toString('latin1');
      // The chunks of the list of pictures come until the file ends: their length is not known when it begins.
      if (header.startsWith('LIST') && header.endsWith('movi')) {
        queue.take(CHUNK_HEADER_BYTES + TYPE_BYTES);
        continue;
      }
      const bytes = queue.peek(CHUNK_HEADER_BYTES).readUInt32LE(4);
      if (bytes > MAX_PICTURE_BYTES)
        throw new Error(`Expected a chunk of at most ${MAX_PICTURE_BYTES} bytes; received one of ${bytes}`);
      const paddingBytes = bytes % 2;
      if (queue.byteLength < CHUNK_HEADER_BYTES + bytes + paddingBytes) break;
      queue.take(CHUNK_HEADER_BYTES);
      const body = queue.take(bytes + paddingBytes).subarray(0, bytes);
      if (!header.startsWith(PICTURE)) continue;
      if (bytes > 0)
        pictures.push({
          index: this.#index,
          keyframe: isH265Keyframe(body),
          bytes: Uint8Array.from(body),
        });
      this.#index++;
    }
    return pictures;
  }
}
