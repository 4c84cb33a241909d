import { VIDEO_CODECS, type VideoCodec } from '../protocol/video-codecs.js';

/**
 * The encoders that are known by name, for each codec in the order in which `auto` takes the first that works: a
 * hardware encoder costs no core, and of those NVENC has the lowest latency. The last one of each is always there.
 */
export const ENCODER_ORDER = {
  h264: ['h264_nvenc', 'h264_vaapi', 'h264_qsv', 'libx264'],
  vp8: ['vp8_vaapi', 'libvpx'],
  vp9: ['vp9_vaapi', 'vp9_qsv', 'libvpx-vp9'],
  av1: ['av1_nvenc', 'av1_vaapi', 'av1_qsv', 'libsvtav1'],
  h265: ['hevc_nvenc', 'hevc_vaapi', 'hevc_qsv', 'libx265'],
} as const satisfies Readonly<Record<VideoCodec, readonly string[]>>;

/** FFmpeg's program holds the pictures of these back: they are used in this process even where a program encodes. */
export const LIBRARY_ENCODERS: readonly string[] = ['libsvtav1'];

export type EncoderName = (typeof ENCODER_ORDER)[keyof typeof ENCODER_ORDER][number];

/** Every known encoder. */
export const ENCODER_NAMES: readonly EncoderName[] = VIDEO_CODECS.flatMap((codec) => ENCODER_ORDER[codec]);
