import type { EncodedFrame } from './encoded-frame.js';

/** What is known of one encoded frame besides its bytes. Times are monotonic µs of this machine. */
export interface FrameRecord {
  readonly keyframe: boolean;
  readonly bytes: number;
  /** 90 kHz, modulo 2^32. */
  readonly rtpTimestamp: number;
  readonly captureTimeUs: number;
  /** When the raw picture was read. */
  readonly readTimeUs: number;
  readonly encodedTimeUs: number;
  /** When the media plane had it. */
  readonly sentTimeUs: number;
  /** The picture before once more: nothing was captured for it. */
  readonly repeated: boolean;
}

/** @param sentTimeUs - when the media plane had it. */
export function frameRecord(frame: EncodedFrame, sentTimeUs: number): FrameRecord {
  const { keyframe, bytes, rtpTimestamp, captureTimeUs, readTimeUs, encodedTimeUs, repeated } = frame;
  return {
    ...{ keyframe, bytes: bytes.byteLength, rtpTimestamp, captureTimeUs, readTimeUs, encodedTimeUs },
    ...{ sentTimeUs, repeated },
  };
}
