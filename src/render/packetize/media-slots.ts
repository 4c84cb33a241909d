import { VIDEO_CODECS } from '../../protocol/video-codecs.js';
import { RUNG_INDEXES, type RenderStream, videoStream } from '../../protocol/video-stream.js';

export type { RenderStream } from '../../protocol/video-stream.js';

const STREAMS: readonly RenderStream[] = [
  ...RUNG_INDEXES.flatMap((rung) => VIDEO_CODECS.map((codec) => videoStream(codec, rung))),
  'opus',
];

/** Slots by stream, the same on every media socket. */
export const MEDIA_SLOTS = Object.fromEntries(STREAMS.map((stream, slot) => [stream, slot])) as Readonly<
  Record<RenderStream, number>
>;
