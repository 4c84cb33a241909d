import {
  AV_PIX_FMT_NV12,
  AV_PIX_FMT_YUV420P,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_SMPTE170M,
  AVCOL_TRC_BT709,
  type AVPixelFormat,
  SWS_BILINEAR,
} from 'node-av/constants';
import { FFmpegError, Frame, SoftwareScaleContext } from 'node-av/lib';

import type { VideoFrame } from '../capture/video-frame.js';

/** Sizes of the last picture that are kept; one more makes the oldest go. */
const MAX_SIZES = 4;

interface ScaledPicture {
  readonly scaler: SoftwareScaleContext;
  readonly picture: Frame;
  /** It is of the last picture. */
  current: boolean;
}

/** Copies raw pictures into FFmpeg's frames, and keeps the last one: a still page is encoded from it again. */
export class PictureFeed {
  #picture: Frame | undefined;
  #format: VideoFrame['format'] | undefined;
  readonly #scaled = new Map<string, ScaledPicture>();

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
    for (const scaled of this.#scaled.values()) scaled.current = false;
    return frame.copyTo(destinations) ? picture : undefined;
  }

  /**
   * The last picture in another size, scaled once however often it is asked for.
   *
   * @param width - even, pixels
   * @param height - the same
   * @throws Error without memory
   */
  lastAt(width: number, height: number): Frame | undefined {
    const picture = this.#picture;
    if (picture === undefined || (picture.width === width && picture.height === height)) return picture;
    const scaled = this.#scaledTo(picture, width, height);
    if (!scaled.current) {
      FFmpegError.throwIfError(scaled.picture.makeWritable(), 'scale a picture');
      FFmpegError.throwIfError(scaled.scaler.scaleFrameSync(scaled.picture, picture), 'scale a picture');
      scaled.current = true;
    }
    return scaled.picture;
  }

  /** Idempotent. */
  close(): void {
    this.#picture?.free();
    this.#picture = undefined;
    for (const size of [...this.#scaled.keys()]) this.#freeScaled(size);
  }

  #scaledTo(source: Frame, width: number, height: number): ScaledPicture {
    const size = `${width}x${height}`;
    const existing = this.#scaled.get(size);
    if (existing !== undefined) return existing;
    const [oldest] = this.#scaled.keys();
    if (this.#scaled.size >= MAX_SIZES && oldest !== undefined) this.#freeScaled(oldest);
    const picture = new Frame();
    picture.alloc();
    picture.width = width;
    picture.height = height;
    picture.format = source.format;
    FFmpegError.throwIfError(picture.getBuffer(0), 'allocate a picture');
    FFmpegError.throwIfError(picture.copyProps(source), 'describe a picture');
    const scaler = new SoftwareScaleContext();
    const format = source.format as AVPixelFormat;
    scaler.getContext(source.width, source.height, format, width, height, format, SWS_BILINEAR);
    const scaled = { scaler, picture, current: false };
    this.#scaled.set(size, scaled);
    return scaled;
  }

  #freeScaled(size: string): void {
    const scaled = this.#scaled.get(size);
    scaled?.scaler.freeContext();
    scaled?.picture.free();
    this.#scaled.delete(size);
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
