/**
 * A binary message of the WebSocket: `[sequence: 8][data]`, big-endian. The data of a page is
 * `[kind: 1][capture time, µs: 8][payload]`, that of a terminal the bytes it has written.
 */
export const SEQUENCE_BYTES = 8;

/** What the payload of a page's chunk is: the values of `kind`. */
export const KIND_KEYFRAME = 0;
export const KIND_DELTA = 1;
export const KIND_AUDIO = 2;

/** Bytes before the payload of a page's chunk. */
export const PAGE_HEADER_BYTES = SEQUENCE_BYTES + 1 + 8;
