import { VIDEO_CODECS, type VideoCodec } from './video-codecs.js';

/** Encodings of one picture to one codec: 0 to 2 are rungs, and the last one is {@link SLIDES_RUNG}. */
export const RUNG_INDEXES = [0, 1, 2, 3] as const;
export type RungIndex = (typeof RUNG_INDEXES)[number];

/** The encoding for viewers whose link carries no rung: a small picture a second. */
export const SLIDES_RUNG = 3;

/** One encoding of the captured picture; a codec alone names its first rung. */
export type VideoStream = VideoCodec | `${VideoCodec}/${1 | 2 | 3}`;

/** What a render encodes: its pictures, and its sound. */
export type RenderStream = VideoStream | 'opus';

/** What an encoding is to have. */
export interface EncodingTarget {
  readonly bitrateBps: number;
  /** Pixels, even, both or neither. Absent, or larger than what is captured: the size of that. */
  readonly width?: number;
  readonly height?: number;
  /** Pictures per second. Absent, or higher than the session's: that of the session. */
  readonly frameRate?: number;
}

export function videoStream(codec: VideoCodec, rung: RungIndex): VideoStream {
  return rung === 0 ? codec : `${codec}/${rung}`;
}

export function codecOf(stream: VideoStream): VideoCodec {
  const codec = VIDEO_CODECS.find((candidate) => stream.split('/', 1)[0] === candidate);
  if (codec === undefined) throw new Error(`There is no stream ${stream}`);
  return codec;
}

export function rungOf(stream: VideoStream): RungIndex {
  if (stream.endsWith('/1')) return 1;
  if (stream.endsWith('/2')) return 2;
  return stream.endsWith('/3') ? SLIDES_RUNG : 0;
}
