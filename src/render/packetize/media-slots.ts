import type { RenderStream } from '../../protocol/video-stream.js';

export type { RenderStream } from '../../protocol/video-stream.js';

/** Slots by stream, the same on every media socket. */
export const MEDIA_SLOTS: Readonly<Record<RenderStream, number>> = {
  ...{ h264: 0, 'h264/1': 2, 'h264/2': 4, 'h264/3': 6 },
  ...{ vp8: 1, 'vp8/1': 3, 'vp8/2': 5, 'vp8/3': 7 },
  opus: 8,
};
