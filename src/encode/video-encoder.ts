import type { Frame } from 'node-av/lib';

import type { ColourMatrix } from '../capture/video-frame.js';
import type { VideoCodec } from './encoded-frame.js';

export interface VideoEncoderParameters {
  readonly codec: VideoCodec;
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  readonly bitrateBps: number;
  /** Of the pictures that will be fed; it is signalled where the codec has a place for it. */
  readonly matrix: ColourMatrix;
}

/** One compressed picture as the encoder gives it. */
export interface CompressedPicture {
  /** Annex B for H.264, one frame for VP8; owned by the caller. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly keyframe: boolean;
}

/** An encoder of one codec, in the thread that feeds it. No picture is delayed: one in, at most one out. */
export interface VideoEncoder {
  readonly codec: VideoCodec;
  /** FFmpeg's name, for example `libx264`. */
  readonly name: string;
  /**
   * @param picture - 4:2:0, limited range; its pts is set here.
   * @param captureTimeUs - greater than that of the picture before.
   * @returns undefined when the rate control dropped the picture.
   * @throws Error when the encoder is broken; it must then be closed.
   */
  encode(picture: Frame, captureTimeUs: number, keyframe: boolean): CompressedPicture | undefined;
  setBitrate(bitrateBps: number): void;
  /** Idempotent. */
  close(): void;
}
