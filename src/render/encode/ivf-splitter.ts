import type { VideoCodec } from '../../protocol/video-codecs.js';
import { isAv1Keyframe } from '../packetize/av1-obus.js';
import { isVp9Keyframe } from '../packetize/vp9-picture-header.js';
import { ByteQueue, MAX_PICTURE_BYTES, type PictureSplitter, type SplitPicture } from './split-picture.js';

const FILE_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 12;

/** Codecs that FFmpeg writes into IVF. */
type IvfCodec = Exclude<VideoCodec, 'h264' | 'h265'>;

const IS_KEYFRAME: Readonly<Record<IvfCodec, (frame: Uint8Array) => boolean>> = {
  // RFC 6386 section 9.1: the lowest bit of the frame tag is 0 for a key frame.
  vp8: (frame) => ((frame[0] ?? 1) & 1) === 0,
  vp9: isVp9Keyframe,
  av1: isAv1Keyframe,
};

/** Finds pictures in IVF, whose frame headers hold the size: a picture is complete without the next one. */
export class IvfSplitter implements PictureSplitter {
  readonly #queue = new ByteQueue();
  readonly #isKeyframe: (frame: Uint8Array) => boolean;
  #started = false;

  constructor(codec: IvfCodec) {
    this.#isKeyframe = IS_KEYFRAME[codec];
  }

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
      pictures.push({ index, keyframe: this.#isKeyframe(frame), bytes: frame });
    }
    return pictures;
  }
}
