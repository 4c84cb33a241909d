import type { VideoCodec } from '../encode/encoded-frame.js';

/** What a render encodes: its pictures by codec, and its sound. */
export type RenderStream = VideoCodec | 'opus';

/** Slots by stream; pictures and sound have media sockets of their own. */
export const MEDIA_SLOTS: Readonly<Record<RenderStream, number>> = { h264: 0, vp8: 1, opus: 0 };
