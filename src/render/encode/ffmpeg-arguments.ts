import type { ColourMatrix } from '../capture/video-frame.js';
import type { VideoCodec } from '../../protocol/video-codecs.js';
import type { VideoEncoderParameters } from './video-encoder.js';
import { encoderThreads, LIBAV_ENCODERS, VBV_SECONDS } from './libav-video-encoder.js';
import type { LibavEncoderSettings } from './libav-encoder-settings.js';
import { AV_HWDEVICE_TYPE_VAAPI } from 'node-av/constants';

export interface FfmpegEncoding extends VideoEncoderParameters {
  /** FFmpeg's name of the encoder: one of ours, or another that this FFmpeg has. */
  readonly name: string;
  readonly device: string | undefined;
  readonly format: 'i420' | 'nv12';
  /** How many pictures at the beginning are keyframes. */
  readonly leadingKeyframes: number;
}

/** What a program writes the pictures of a codec into, and whether the codec can say which matrix they have. */
export const PROGRAM_OUTPUTS: Readonly<
  Record<VideoCodec, { readonly format: 'avi' | 'flv' | 'ivf'; readonly signalsMatrix: boolean }>
> = {
  h264: { format: 'flv', signalsMatrix: true },
  // RFC 6386 section 9.2 knows BT.601 alone.
  vp8: { format: 'ivf', signalsMatrix: false },
  vp9: { format: 'ivf', signalsMatrix: true },
  av1: { format: 'ivf', signalsMatrix: true },
  h265: { format: 'avi', signalsMatrix: true },
};

/** What FFmpeg 5.1 and later is told to encode raw pictures from a pipe, each written out as soon as it is there. */
export function ffmpegArguments(encoding: FfmpegEncoding): {
  readonly inputOptions: readonly string[];
  readonly outputOptions: readonly string[];
} {
  const { codec, name, width, height, frameRate, bitrateBps, matrix, format, leadingKeyframes } = encoding;
  const known: Readonly<Record<string, LibavEncoderSettings>> = LIBAV_ENCODERS;
  const settings = known[name];
  // A codec that cannot signal the matrix is read as BT.601: its pictures are converted.
  const canSignal = settings?.matrices.includes(matrix) ?? PROGRAM_OUTPUTS[codec].signalsMatrix;
  const filters = [
    ...(canSignal || matrix === 'bt601' ? [] : ['scale=in_color_matrix=bt709:out_color_matrix=bt601']),
    ...(settings?.device?.surface === undefined ? [] : ['format=nv12,hwupload']),
  ];
  return {
    inputOptions: [
      ...['-hide_banner', '-loglevel', 'error', '-nostdin'],
      ...deviceOptions(settings, encoding.device),
      // The format is known: nothing is to be read ahead in order to find it out.
      ...['-probesize', '32', '-analyzeduration', '0'],
      ...['-f', 'rawvideo', '-pix_fmt', format === 'i420' ? 'yuv420p' : 'nv12'],
      ...['-video_size', `${width}x${height}`, '-framerate', String(frameRate)],
      ...colour(matrix),
    ],
    outputOptions: [
      // A constant frame rate would hold each picture back until the next one.
      ...['-fps_mode', 'passthrough'],
      ...(filters.length === 0 ? [] : ['-vf', filters.join(',')]),
      ...['-c:v', name, '-g', '1000000000', '-bf', '0'],
      ...['-b:v', '-minrate', '-maxrate'].flatMap((rate) => [rate, String(bitrateBps)]),
      ...['-bufsize', String(Math.round(bitrateBps * VBV_SECONDS))],
      ...(settings?.device === undefined ? ['-threads', String(encoderThreads(encoding, settings))] : []),
      ...Object.entries(settings?.options ?? {}).flatMap(([option, value]) => [`-${option}`, String(value)]),
      ...(settings?.deviceOption !== undefined && /^\d+$/.test(encoding.device ?? '')
        ? [`-${settings.deviceOption}`, encoding.device ?? '']
        : []),
      ...(leadingKeyframes > 0 ? ['-force_key_frames', `expr:lt(n,${leadingKeyframes})`] : []),
      ...colour(canSignal ? matrix : 'bt601'),
      ...['-flush_packets', '1', '-f', PROGRAM_OUTPUTS[codec].format],
    ],
  };
}

function colour(matrix: ColourMatrix): readonly string[] {
  return [
    ...['-color_range', 'tv', '-color_primaries', 'bt709', '-color_trc', 'bt709'],
    ...['-colorspace', matrix === 'bt709' ? 'bt709' : 'smpte170m'],
  ];
}

function deviceOptions(
  settings: LibavEncoderSettings | undefined,
  device: string | undefined,
): readonly string[] {
  if (settings?.device?.type === AV_HWDEVICE_TYPE_VAAPI) {
    return ['-vaapi_device', device ?? '/dev/dri/renderD128'];
  }
  return settings?.device === undefined || device === undefined ? [] : ['-qsv_device', device];
}
