import { ENCODER_NAMES, type EncoderName } from '../../options/encoder-names.js';
import { LibavVideoEncoder } from './libav-video-encoder.js';
import { ProcessVideoEncoder } from './process-video-encoder.js';
import type { VideoEncoder, VideoEncoderListener, VideoEncoderParameters } from './video-encoder.js';

/** One way to encode; it can be posted to a worker. */
export interface EncoderCandidate {
  /** FFmpeg's name of the encoder. */
  readonly name: string;
  /** Path of a render node or number of a GPU; undefined: the first. */
  readonly device: string | undefined;
  /** The program that encodes; absent: FFmpeg's libraries in this process. */
  readonly ffmpegPath?: string;
}

/** @throws Error with the reason when the encoder does not open. */
export function openVideoEncoder(
  { name, device, ffmpegPath }: EncoderCandidate,
  parameters: VideoEncoderParameters,
  listener: VideoEncoderListener,
): VideoEncoder {
  if (ffmpegPath !== undefined) {
    return new ProcessVideoEncoder({ ...parameters, name, device, ffmpegPath }, listener);
  }
  if (!isEncoderName(name)) throw new Error(`There is no encoder ${name} in this process`);
  return new LibavVideoEncoder(name, device, parameters, listener);
}

function isEncoderName(name: string): name is EncoderName {
  return (ENCODER_NAMES as readonly string[]).includes(name);
}
