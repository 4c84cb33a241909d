import type { EncodedFrame } from '../encode/encoded-frame.js';
import { checkMaxPayloadBytes, PayloadWriter, pieceCount } from './payload-writer.js';
import { PictureId } from './picture-id.js';
import { DEFAULT_MAX_PAYLOAD_BYTES, type RtpPayloads } from './rtp-payloads.js';
import { vp9PictureSize } from './vp9-picture-header.js';

// RFC 9628 section 4.2.
const PICTURE_ID_PRESENT_BIT = 0x80;
const INTER_PREDICTED_BIT = 0x40;
const START_OF_FRAME_BIT = 0x08;
const END_OF_FRAME_BIT = 0x04;
const STRUCTURE_PRESENT_BIT = 0x02;
/** There are no spatial layers, so that no frame is a reference for a higher one. */
const NOT_A_LAYER_REFERENCE_BIT = 0x01;
const DESCRIPTOR_BYTES = 3;
/** Section 4.2.1: one spatial layer (N_S is 0), whose size is given (Y), and no description of a group (G is 0). */
const STRUCTURE_HEADER = 0x10;
const STRUCTURE_BYTES = 5;

/**
 * Splits VP9 frames into RTP payloads (RFC 9628) of equal size, each with a descriptor that carries a 15-bit picture id.
 * There are neither layers nor the flexible mode. The first payload of a keyframe also tells its size.
 */
export class Vp9Payloader {
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
    const size = structureSize(bytes);
    const structureBytes = size === undefined ? 0 : STRUCTURE_BYTES;
    const bodyBytes = bytes.length === 0 ? 0 : bytes.length + structureBytes;
    const pieces = pieceCount(bodyBytes, this.#maxPayloadBytes - DESCRIPTOR_BYTES);
    const pieceBytes = Math.ceil(bodyBytes / Math.max(pieces, 1));
    const writer = new PayloadWriter(bodyBytes + pieces * DESCRIPTOR_BYTES, pieces);
    const common =
      PICTURE_ID_PRESENT_BIT | NOT_A_LAYER_REFERENCE_BIT | (frame.keyframe ? 0 : INTER_PREDICTED_BIT);
    let start = 0;
    while (start < bytes.length) {
      const isFirst = start === 0;
      const end = Math.min(start + pieceBytes - (isFirst ? structureBytes : 0), bytes.length);
      const startBits = isFirst ? START_OF_FRAME_BIT | (size === undefined ? 0 : STRUCTURE_PRESENT_BIT) : 0;
      writer.writeByte(common | startBits | (end === bytes.length ? END_OF_FRAME_BIT : 0));
      writer.writeUint16(this.#pictureId.field);
      if (isFirst && size !== undefined) {
        writer.writeByte(STRUCTURE_HEADER);
        writer.writeUint16(size.width);
        writer.writeUint16(size.height);
      }
      writer.writeBytes(bytes, start, end);
      writer.endPayload();
      start = end;
    }
    if (pieces > 0) this.#pictureId.next();
    return writer.finish(frame);
  }
}

/** The size that the scalability structure has room for: 65,536, which a bitstream can say, is one too many. */
function structureSize(bytes: Uint8Array): ReturnType<typeof vp9PictureSize> {
  const size = vp9PictureSize(bytes);
  return size && Math.max(size.width, size.height) <= 0xffff ? size : undefined;
}
