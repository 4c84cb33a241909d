import type { EncodedAudio, EncodedFrame, VideoCodec } from './encoded-frame.js';
import type {
  AudioEncodeParameters,
  EncoderReplacement,
  VideoEncodeParameters,
  VideoEncoderStats,
} from './encode-thread.js';
import type { EncoderCandidate } from './encoder-candidate.js';
import type { FrameRecord } from './frame-record.js';
import type { PictureFormat } from './video-encoder.js';

/** What the main thread tells the thread that encodes pictures. */
export type VideoRequest =
  | {
      readonly type: 'start';
      readonly codec: VideoCodec;
      readonly bitrateBps: number;
      /** The encoders to be used, best first. */
      readonly candidates: readonly EncoderCandidate[];
    }
  | { readonly type: 'stop'; readonly codec: VideoCodec }
  | { readonly type: 'keyframe'; readonly codec: VideoCodec }
  | { readonly type: 'refresh' }
  | { readonly type: 'tap'; readonly codec: VideoCodec; readonly tapped: boolean }
  | { readonly type: 'bitrate'; readonly codec: VideoCodec; readonly bitrateBps: number }
  | { readonly type: 'reconfigure'; readonly format: PictureFormat }
  | { readonly type: 'close' };

export type VideoReport =
  | { readonly type: 'frame'; readonly frame: EncodedFrame }
  | { readonly type: 'keyframe'; readonly codec: VideoCodec }
  | { readonly type: 'frames'; readonly codec: VideoCodec; readonly frames: readonly FrameRecord[] }
  | { readonly type: 'stats'; readonly stats: VideoEncoderStats }
  | { readonly type: 'replaced'; readonly replacement: EncoderReplacement }
  | { readonly type: 'failed'; readonly message: string };

export type VideoThreadData = VideoEncodeParameters;

/** What the main thread tells the thread that encodes sound. */
export type AudioRequest =
  | { readonly type: 'start' | 'stop' | 'close' }
  | { readonly type: 'tap'; readonly tapped: boolean };

export type AudioReport =
  | { readonly type: 'packet'; readonly packet: EncodedAudio }
  | { readonly type: 'failed'; readonly message: string };

export type AudioThreadData = AudioEncodeParameters;
