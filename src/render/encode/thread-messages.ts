import type { EncodedAudio, EncodedFrame } from './encoded-frame.js';
import type {
  AudioEncodeParameters,
  EncoderReplacement,
  VideoEncodeParameters,
  VideoEncoderStats,
} from './encode-thread.js';
import type { EncoderCandidate } from './encoder-candidate.js';
import type { FrameRecord } from './frame-record.js';
import type { PictureFormat } from './video-encoder.js';
import type { EncodingTarget, VideoStream } from '../../protocol/video-stream.js';

/** What the main thread tells the thread that encodes pictures. */
export type VideoRequest =
  | {
      readonly type: 'start';
      readonly stream: VideoStream;
      readonly target: EncodingTarget;
      /** The encoders to be used, best first. */
      readonly candidates: readonly EncoderCandidate[];
    }
  | { readonly type: 'stop'; readonly stream: VideoStream }
  | { readonly type: 'keyframe'; readonly stream: VideoStream }
  | { readonly type: 'refresh' }
  | { readonly type: 'tap'; readonly stream: VideoStream; readonly tapped: boolean }
  | { readonly type: 'target'; readonly stream: VideoStream; readonly target: EncodingTarget }
  | { readonly type: 'reconfigure'; readonly format: PictureFormat }
  | { readonly type: 'close' };

export type VideoReport =
  | { readonly type: 'frame'; readonly frame: EncodedFrame }
  | { readonly type: 'keyframe'; readonly stream: VideoStream }
  | { readonly type: 'frames'; readonly stream: VideoStream; readonly frames: readonly FrameRecord[] }
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
  | { readonly type: 'packets'; readonly count: number }
  | { readonly type: 'failed'; readonly message: string };

export type AudioThreadData = AudioEncodeParameters;
