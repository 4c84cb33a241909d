import type { Writable } from 'node:stream';

import type { RtpPayloads } from './rtp-payloads.js';

/** One frame for the media socket. */
export interface MediaFrame extends RtpPayloads {
  /** Which of the plane's producers it is for: 0 to 31. */
  readonly slot: number;
  /** No other frame refers to it. Default false. */
  readonly discardable?: boolean;
  /** Temporal layer, 0 to 7. Default 0. */
  readonly temporalId?: number;
}

const HEADER_BYTES = 32;
const LENGTH_BYTES = 4;
const VERSION = 1;
const KEYFRAME_FLAG = 1;
const DISCARDABLE_FLAG = 2;

// The reader refuses what exceeds these; see native/core/media_frame_reader.h.
export const MEDIA_FRAME_MAX_BYTES = 4 * 1024 * 1024;
export const MEDIA_FRAME_MAX_PAYLOADS = 8192;
export const MEDIA_FRAME_MAX_PAYLOAD_BYTES = 1380;

/** What may wait for the reader beyond the kernel's own buffer; then frames are dropped up to the next keyframe. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

/**
 * Header and payload lengths of one frame, as `native/core/media_frame_reader.h` describes them; the payloads follow.
 *
 * @returns undefined if the frame exceeds what the reader accepts, or has no payload
 */
export function mediaFrameHead(frame: MediaFrame): Buffer | undefined {
  const { offsets } = frame;
  const payloadCount = offsets.length - 1;
  if (payloadCount < 1 || payloadCount > MEDIA_FRAME_MAX_PAYLOADS) {
    return undefined;
  }
  const head = Buffer.allocUnsafe(HEADER_BYTES + payloadCount * LENGTH_BYTES);
  let payloadBytes = 0;
  for (let i = 0; i < payloadCount; i += 1) {
    const length = (offsets[i + 1] ?? 0) - (offsets[i] ?? 0);
    if (length < 1 || length > MEDIA_FRAME_MAX_PAYLOAD_BYTES) {
      return undefined;
    }
    head.writeUInt32LE(length, HEADER_BYTES + i * LENGTH_BYTES);
    payloadBytes += length;
  }
  const totalBytes = head.length + payloadBytes;
  if (totalBytes > MEDIA_FRAME_MAX_BYTES) {
    return undefined;
  }
  head.writeUInt32LE(totalBytes, 0);
  head.writeUInt8(VERSION, 4);
  head.writeUInt8(frame.slot, 5);
  head.writeUInt8(
    (frame.keyframe ? KEYFRAME_FLAG : 0) | (frame.discardable === true ? DISCARDABLE_FLAG : 0),
    6,
  );
  head.writeUInt8(frame.temporalId ?? 0, 7);
  head.writeUInt32LE(frame.rtpTimestamp, 8);
  head.writeUInt32LE(payloadCount, 12);
  head.writeBigInt64LE(BigInt(Math.trunc(frame.captureTimeUs)), 16);
  head.fill(0, 24, HEADER_BYTES);
  return head;
}

/**
 * Writes frames to the media socket. If the reader falls behind by {@link MAX_QUEUED_BYTES}, or a frame cannot be
 * described, the slot's frames are dropped up to its next keyframe and counted.
 */
export class MediaFrameWriter {
  readonly #socket: Writable;
  readonly #slotsWithGap = new Set<number>();
  #framesDropped = 0;

  /** @param socket - the caller handles its errors */
  constructor(socket: Writable) {
    this.#socket = socket;
  }

  get framesDropped(): number {
    return this.#framesDropped;
  }

  /** What was written before still goes out. Idempotent. */
  close(): void {
    this.#socket.end();
  }

  /**
   * @param frame - its bytes must not change afterwards
   * @returns whether it was written; false: the slot needs a keyframe
   */
  write(frame: MediaFrame): boolean {
    const isSendable = this.#socket.writable && this.#socket.writableLength <= MAX_QUEUED_BYTES;
    const isDecodable = frame.keyframe || !this.#slotsWithGap.has(frame.slot);
    const head = isSendable && isDecodable ? mediaFrameHead(frame) : undefined;
    if (head === undefined) {
      this.#slotsWithGap.add(frame.slot);
      this.#framesDropped += 1;
      return false;
    }
    this.#slotsWithGap.delete(frame.slot);
    const { bytes, offsets } = frame;
    // One system call for both, and no copy.
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(bytes.subarray(offsets[0], offsets[offsets.length - 1]));
    this.#socket.uncork();
    return true;
  }
}
