import {
  AV_PIX_FMT_NV12,
  AV_PIX_FMT_YUV420P,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_SMPTE170M,
  AVCOL_TRC_BT709,
} from 'node-av/constants';
import { Frame } from 'node-av/lib';

import type { VideoFrame } from '../capture/video-frame.js';

/** Copies raw pictures into FFmpeg's frames, and keeps the last one: a still page is encoded from it again. */
export class PictureFeed {
  #picture: Frame | undefined;
  #format: VideoFrame['format'] | undefined;

  /** The last picture, or undefined before the first. */
  get last(): Frame | undefined {
    return this.#picture;
  }

  /** @returns the picture, or undefined when the frame was gone before it could be copied. */
  take(frame: VideoFrame): Frame | undefined {
    const picture = this.#allocated(frame);
    // An encoder may still hold a reference to the memory.
    if (picture.makeWritable() < 0) return undefined;
    const planes = picture.data;
    if (!planes) return undefined;
    const lumaBytes = frame.width * frame.height;
    const sizes =
      frame.format === 'i420' ? [lumaBytes, lumaBytes / 4, lumaBytes / 4] : [lumaBytes, lumaBytes / 2];
    const destinations = sizes.map(
      (bytes, index) => planes[index]?.subarray(0, bytes) ?? Buffer.alloc(bytes),
    );
    return frame.copyTo(destinations) ? picture : undefined;
  }

  /** Idempotent. */
  close(): void {
    this.#picture?.free();
    this.#picture = undefined;
  }

  #allocated(frame: VideoFrame): Frame {
    const current = this.#picture;
    if (current?.width === frame.width && current.height === frame.height && this.#format === frame.format) {
      return current;
    }
    this.close();
    const picture = new Frame();
    picture.alloc();
    picture.width = frame.width;
    picture.height = frame.height;
    picture.format = frame.format === 'i420' ? AV_PIX_FMT_YUV420P : AV_PIX_FMT_NV12;
    picture.colorRange = AVCOL_RANGE_MPEG;
    picture.colorSpace = frame.matrix === 'bt601' ? AVCOL_SPC_SMPTE170M : AVCOL_SPC_BT709;
    picture.colorPrimaries = AVCOL_PRI_BT709;
    picture.colorTrc = AVCOL_TRC_BT709;
    // Rows without padding: the source has none, so that a plane is one copy.
    if (picture.getBuffer(1) < 0) throw new Error('There is no memory for a picture');
    this.#picture = picture;
    this.#format = frame.format;
    return picture;
  }
}
