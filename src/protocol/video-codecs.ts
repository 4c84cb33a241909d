/**
 * Every codec of the pictures. What else there is to know of a codec stands where it is used, in tables of type
 * `Record<VideoCodec, …>`: a codec that is added here does not compile until each of them has a line for it.
 */
export const VIDEO_CODECS = ['h264', 'vp8', 'vp9', 'av1', 'h265'] as const;

/** A codec of the pictures. */
export type VideoCodec = (typeof VIDEO_CODECS)[number];

/** What the viewers of a session are offered that has no codec of its own (`auto`), best first. */
export const AUTO_CODECS = ['h264', 'vp8'] as const satisfies readonly VideoCodec[];

/** What people call a codec. */
export const VIDEO_CODEC_NAMES: Readonly<Record<VideoCodec, string>> = {
  h264: 'H.264',
  vp8: 'VP8',
  vp9: 'VP9',
  av1: 'AV1',
  h265: 'H.265',
};

/** A table with a line for each codec. */
export function byCodec<T>(lineOf: (codec: VideoCodec) => T): Record<VideoCodec, T> {
  return Object.fromEntries(VIDEO_CODECS.map((codec) => [codec, lineOf(codec)])) as Record<VideoCodec, T>;
}

export function isVideoCodec(value: unknown): value is VideoCodec {
  return VIDEO_CODECS.some((codec) => codec === value);
}
