import type { VideoCodec } from '../../protocol/video-codecs.js';
import type { RungIndex } from '../../protocol/video-stream.js';

export type { VideoCodec } from '../../protocol/video-codecs.js';

/** One encoded picture. */
export interface EncodedFrame {
  readonly codec: VideoCodec;
  /** An Annex B access unit for H.264 and H.265, one frame for VP8 and VP9, a temporal unit for AV1. */
  readonly bytes: Uint8Array;
  readonly keyframe: boolean;
  /** 90 kHz, modulo 2^32, derived from `captureTimeUs`. */
  readonly rtpTimestamp: number;
  /** When the picture was captured, on the monotonic clock of this machine. */
  readonly captureTimeUs: number;
  /** When the raw picture was read, or the last one taken again, on the same clock. */
  readonly readTimeUs: number;
  /** When the encoder gave it, on the same clock. */
  readonly encodedTimeUs: number;
  /** The picture before once more: nothing was captured for it. */
  readonly repeated: boolean;
  /** Which of the encodings to this codec it is of. */
  readonly rung: RungIndex;
}

/** One Opus packet of 20 ms. */
export interface EncodedAudio {
  readonly codec: 'opus';
  readonly bytes: Uint8Array;
  /** 48 kHz, modulo 2^32, derived from `captureTimeUs`. */
  readonly rtpTimestamp: number;
  /** When the first sample was captured, on the monotonic clock of this machine. */
  readonly captureTimeUs: number;
}
