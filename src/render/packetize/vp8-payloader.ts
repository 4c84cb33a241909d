import type { EncodedFrame } from '../encode/encoded-frame.js';
import { checkMaxPayloadBytes, PayloadWriter, pieceCount } from './payload-writer.js';
import { PictureId } from './picture-id.js';
import { DEFAULT_MAX_PAYLOAD_BYTES, type RtpPayloads } from './rtp-payloads.js';

// RFC 7741 section 4.2.
const EXTENDED_BIT = 0x80;
const START_OF_PARTITION_BIT = 0x10;
const PICTURE_ID_PRESENT_BIT = 0x80;
const DESCRIPTOR_BYTES = 4;

/**
 * Splits VP8 frames into RTP payloads (RFC 7741) of equal size, each with a descriptor that carries a 15-bit
 * picture id. The frame is one run of bytes over its partitions, so only its first payload has the S bit.
 */
export class Vp8Payloader {
  readonly #maxPayloadBytes: number;
  readonly #pictureId: PictureId;

  /**
   * @param firstPictureId - default: a random one.
   * @throws StreamKitError `bad_option`
   */
  constructor(maxPayloadBytes: number = DEFAULT_MAX_PAYLOAD_BYTES, firstPictureId?: number) {
    this.#maxPayloadBytes = checkMaxPayloadBytes(maxPayloadBytes);
    this.#pictureId = new PictureId(firstPictureId);
  }

  /** An empty frame gives no payload. The result shares no memory with the frame. */
  payload(frame: EncodedFrame): RtpPayloads {
    const { bytes } = frame;
    const fragments = pieceCount(bytes.length, this.#maxPayloadBytes - DESCRIPTOR_BYTES);
    const fragmentBytes = Math.ceil(bytes.length / Math.max(fragments, 1));
    const writer = new PayloadWriter(bytes.length + fragments * DESCRIPTOR_BYTES, fragments);
    for (let start = 0; start < bytes.length; start += fragmentBytes) {
      writer.writeByte(EXTENDED_BIT | (start === 0 ? START_OF_PARTITION_BIT : 0));
      writer.writeByte(PICTURE_ID_PRESENT_BIT);
      writer.writeUint16(this.#pictureId.field);
      writer.writeBytes(bytes, start, Math.min(start + fragmentBytes, bytes.length));
      writer.endPayload();
    }
    if (fragments > 0) this.#pictureId.next();
    return writer.finish(frame);
  }
}
