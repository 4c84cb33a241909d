import { StreamKitError } from '../../base/errors.js';
import type { RtpPayloads } from './rtp-payloads.js';

/** Smaller payloads could not hold the payload headers of every codec and a useful rest. */
const MIN_MAX_PAYLOAD_BYTES = 64;

/** @throws StreamKitError `bad_option` */
export function checkMaxPayloadBytes(maxPayloadBytes: number): number {
  if (
    !Number.isInteger(maxPayloadBytes) ||
    maxPayloadBytes < MIN_MAX_PAYLOAD_BYTES ||
    maxPayloadBytes > 0xffff
  ) {
    throw new StreamKitError(
      'bad_option',
      `Expected an integer between ${MIN_MAX_PAYLOAD_BYTES} and 65535 for maxPayloadBytes but received ${maxPayloadBytes}`,
    );
  }
  return maxPayloadBytes;
}

/** How many pieces of at most `maxBytes` hold `totalBytes`. */
export function pieceCount(totalBytes: number, maxBytes: number): number {
  return Math.ceil(totalBytes / maxBytes);
}

/** What payloads tell of their frame. */
type FrameFacts = Omit<RtpPayloads, 'bytes' | 'offsets'>;

/**
 * One output buffer and its offsets, sized once from an upper bound. A payload is opened by writing to it and
 * ended by {@link endPayload}.
 */
export class PayloadWriter {
  readonly #bytes: Buffer;
  readonly #offsets: Uint32Array;
  #position = 0;
  #payloadCount = 0;

  constructor(maxBytes: number, maxPayloads: number) {
    this.#bytes = Buffer.allocUnsafe(maxBytes);
    this.#offsets = new Uint32Array(maxPayloads + 1);
  }

  writeByte(value: number): void {
    this.#bytes[this.#position] = value;
    this.#position += 1;
  }

  writeUint16(value: number): void {
    this.#position = this.#bytes.writeUInt16BE(value, this.#position);
  }

  writeBytes(source: Uint8Array, start: number, end: number): void {
    this.#bytes.set(source.subarray(start, end), this.#position);
    this.#position += end - start;
  }

  endPayload(): void {
    this.#payloadCount += 1;
    this.#offsets[this.#payloadCount] = this.#position;
  }

  /** The payloads that are ended. @param frame - what they are of. */
  finish({ keyframe, rtpTimestamp, captureTimeUs }: FrameFacts): RtpPayloads {
    return {
      bytes: this.#bytes.subarray(0, this.#position),
      offsets: this.#offsets.subarray(0, this.#payloadCount + 1),
      ...{ keyframe, rtpTimestamp, captureTimeUs },
    };
  }
}
