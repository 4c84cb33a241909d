import type { EncodedFrame } from '../encode/encoded-frame.js';
import {
  av1ObusOf,
  OBU_PADDING,
  OBU_SEQUENCE_HEADER,
  OBU_TEMPORAL_DELIMITER,
  OBU_TILE_LIST,
  type Av1Obu,
} from './av1-obus.js';
import { checkMaxPayloadBytes, PayloadWriter, pieceCount } from './payload-writer.js';
import { DEFAULT_MAX_PAYLOAD_BYTES, type RtpPayloads } from './rtp-payloads.js';

// RTP Payload Format For AV1, version 1.0, section 4.4.
const CONTINUES_BIT = 0x80;
const IS_CONTINUED_BIT = 0x40;
const NEW_SEQUENCE_BIT = 0x08;
const COUNT_SHIFT = 4;
const MOST_COUNTED = 3;
/** Section 5: a sender should leave the first two out, and must leave the last one out. */
const NOT_SENT: readonly number[] = [OBU_TEMPORAL_DELIMITER, OBU_PADDING, OBU_TILE_LIST];
const AGGREGATION_HEADER_BYTES = 1;
/** An element's length in front of it: payloads have less than 2^14 bytes. */
const MAX_LENGTH_BYTES = 2;
const MOST_PAYLOAD_BYTES = 2 ** 14 - 1;

/**
 * Splits AV1 temporal units into RTP payloads (RTP Payload Format For AV1, version 1.0). The units go without their size
 * fields and are one run of bytes, which is cut into payloads of about equal size: a unit that does not fit goes on in the next
 * one. Up to three elements are counted by W, and the last of them goes without a length.
 */
export class Av1Payloader {
  readonly #maxPayloadBytes: number;

  /** @throws StreamKitError `bad_option` */
  constructor(maxPayloadBytes: number = DEFAULT_MAX_PAYLOAD_BYTES) {
    this.#maxPayloadBytes = Math.min(checkMaxPayloadBytes(maxPayloadBytes), MOST_PAYLOAD_BYTES);
  }

  /** What is no temporal unit gives no payload. The result shares no memory with the frame. */
  payload(frame: EncodedFrame): RtpPayloads {
    const { bytes } = frame;
    const obus = (av1ObusOf(bytes) ?? []).filter(({ type }) => !NOT_SENT.includes(type));
    const totalBytes = obus.reduce((sum, obu) => sum + bytesOf(obu) + MAX_LENGTH_BYTES, 0);
    // Each payload may begin with the rest of a unit, whose length it says.
    const roomBytes = this.#maxPayloadBytes - AGGREGATION_HEADER_BYTES - MAX_LENGTH_BYTES;
    const pieces = pieceCount(totalBytes, roomBytes);
    const pieceBytes = Math.ceil(totalBytes / Math.max(pieces, 1)) + MAX_LENGTH_BYTES;
    const writer = new ElementWriter(bytes, obus, pieceBytes);
    const startsSequence = obus.some(({ type }) => type === OBU_SEQUENCE_HEADER);
    return writer.write(frame, startsSequence && frame.keyframe);
  }
}

interface Element {
  readonly obu: Av1Obu;
  /** Of the unit without its size, header included. */
  readonly from: number;
  readonly to: number;
}

/** Fills payloads with elements. */
class ElementWriter {
  readonly #bytes: Uint8Array;
  readonly #obus: readonly Av1Obu[];
  readonly #pieceBytes: number;

  constructor(bytes: Uint8Array, obus: readonly Av1Obu[], pieceBytes: number) {
    this.#bytes = bytes;
    this.#obus = obus;
    this.#pieceBytes = pieceBytes;
  }

  write(frame: EncodedFrame, startsSequence: boolean): RtpPayloads {
    const payloads = this.#plan();
    const totalBytes = payloads.flat().reduce((sum, { from, to }) => sum + to - from + MAX_LENGTH_BYTES, 0);
    const writer = new PayloadWriter(totalBytes + payloads.length, payloads.length);
    payloads.forEach((elements, index) => {
      const last = elements.at(-1);
      const isCounted = elements.length <= MOST_COUNTED;
      const isContinued = last !== undefined && last.to < bytesOf(last.obu);
      writer.writeByte(
        ((elements[0]?.from ?? 0) > 0 ? CONTINUES_BIT : 0) |
          (isContinued ? IS_CONTINUED_BIT : 0) |
          (isCounted ? elements.length << COUNT_SHIFT : 0) |
          (index === 0 && startsSequence ? NEW_SEQUENCE_BIT : 0),
      );
      for (const element of elements) this.#writeElement(writer, element, !isCounted || element !== last);
      writer.endPayload();
    });
    return writer.finish(frame);
  }

  /** The elements of each payload. */
  #plan(): readonly (readonly Element[])[] {
    const payloads: Element[][] = [];
    let elements: Element[] = [];
    let room = this.#pieceBytes;
    for (const obu of this.#obus) {
      for (let from = 0; from < bytesOf(obu);) {
        if (room <= MAX_LENGTH_BYTES) {
          payloads.push(elements);
          elements = [];
          room = this.#pieceBytes;
        }
        const to = Math.min(from + room - MAX_LENGTH_BYTES, bytesOf(obu));
        elements.push({ obu, from, to });
        room -= MAX_LENGTH_BYTES + to - from;
        from = to;
      }
    }
    if (elements.length > 0) payloads.push(elements);
    return payloads;
  }

  #writeElement(
    writer: PayloadWriter,
    { obu: { header, start }, from, to }: Element,
    isMeasured: boolean,
  ): void {
    const length = to - from;
    if (isMeasured) {
      // leb128.
      if (length > 0x7f) writer.writeByte((length & 0x7f) | 0x80);
      writer.writeByte(length > 0x7f ? length >> 7 : length);
    }
    header.slice(from, to).forEach((byte) => writer.writeByte(byte));
    const bodyFrom = Math.max(from - header.length, 0);
    const bodyTo = Math.max(to - header.length, 0);
    writer.writeBytes(this.#bytes, start + bodyFrom, start + bodyTo);
  }
}

function bytesOf({ header, start, end }: Av1Obu): number {
  return header.length + end - start;
}
