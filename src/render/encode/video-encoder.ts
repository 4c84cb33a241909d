import type { Frame } from 'node-av/lib';

import type { ColourMatrix } from '../capture/video-frame.js';
import type { VideoCodec } from './encoded-frame.js';

/** What may change while an encoder runs. */
export interface PictureFormat {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
}

export interface VideoEncoderParameters extends PictureFormat {
  readonly codec: VideoCodec;
  readonly bitrateBps: number;
  /** Of the pictures that will be fed; it is signalled where the codec has a place for it. */
  readonly matrix: ColourMatrix;
}

/** What stays with a picture on its way through an encoder; monotonic µs. */
export interface PictureTimes {
  /** Greater than that of the picture before. */
  readonly captureTimeUs: number;
  /** When the raw picture was read. */
  readonly readTimeUs: number;
  /** The picture before once more. Default false. */
  readonly repeated?: boolean;
}

/** One compressed picture as the encoder gives it. */
export interface CompressedPicture {
  /** Annex B for H.264 and H.265, one frame for VP8 and VP9, a temporal unit for AV1; owned by the listener. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly keyframe: boolean;
  /** Of the raw picture. */
  readonly times: PictureTimes;
}

/** What flows back from an encoder, in the order of the pictures fed. */
export interface VideoEncoderListener {
  /** Called from within `encode` where the encoder works in this thread, else later. */
  onCompressed(picture: CompressedPicture): void;
  /** A picture was left out: by the rate control, or because too many were waiting. */
  onDropped(): void;
  /** The encoder broke outside of a call of it; it must be closed. At most once, and not after `close()`. */
  onFailed(error: Error): void;
}

/** An encoder of one codec. No picture is held back: each comes out before the next one is needed. */
export interface VideoEncoder {
  readonly codec: VideoCodec;
  /** FFmpeg's name, for example `libx264`. */
  readonly name: string;
  /**
   * @param picture - 4:2:0, limited range; its pts is set here. Not read after the call.
   * @param keyframe - the picture, or else one of the next ones, is to be a keyframe; to be repeated until one comes.
   * @throws Error when the encoder is broken; it must then be closed.
   */
  encode(picture: Frame, times: PictureTimes, keyframe: boolean): void;
  /** @throws Error when the encoder is broken; it must then be closed. */
  setBitrate(bitrateBps: number): void;
  /**
   * Goes on with pictures of another size or rate, beginning with a keyframe.
   * @throws Error when the encoder is broken; it must then be closed.
   */
  reconfigure(format: PictureFormat): void;
  /** Idempotent. */
  close(): void;
}
