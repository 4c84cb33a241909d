import type { HeaderExtensionIds } from './media-plane.js';
import type { NtpTime } from './media-time.js';

/** What differs from packet to packet of one stream. */
export interface RtpHeaderFields {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequenceNumber: number;
  readonly rtpTimestamp: number;
  readonly transportSequenceNumber: number;
  readonly captureTime: NtpTime;
  /** Of a retransmission: its `rid` is that of the stream that it repairs. */
  readonly isRepair?: boolean;
}

// RFC 3550 section 5.1.
const FIXED_HEADER_BYTES = 12;
const VERSION_2 = 0x80;
const EXTENSION_BIT = 0x10;
const MARKER_BIT = 0x80;
// RFC 8285 sections 4.1.2 and 4.2: one-byte elements hold 1 to 16 bytes under the ids 1 to 14.
const ONE_BYTE_PROFILE = 0xbede;
const PROFILE_BYTES = 4;
const MAX_ONE_BYTE_ID = 14;
const MAX_ELEMENT_BYTES = 16;

const TRANSPORT_SEQUENCE_BYTES = 2;
const PLAYOUT_DELAY_BYTES = 3;
const PLAYOUT_DELAY_UNIT_MS = 10;
const PLAYOUT_DELAY_MAX = 0xfff;
const CAPTURE_TIME_BYTES = 8;

/**
 * Lays out the RTP header of one stream once: which extensions it carries and where. Every packet of the stream
 * then has a header of the same size, so that packets of equal payloads are of equal size too.
 */
export class RtpHeaderTemplate {
  readonly #template: Buffer;
  #transportSequenceOffset = -1;
  #captureTimeOffset = -1;
  #playoutDelayOffset = -1;
  #ridOffset = -1;
  readonly #repairedRidId: number;

  constructor(mid: string, ids: HeaderExtensionIds, playoutDelayMaxMs = 0, rid = '') {
    const elements: Buffer[] = [];
    let offset = FIXED_HEADER_BYTES + PROFILE_BYTES;
    const add = (id: number | undefined, data: Buffer): number => {
      if (
        id === undefined ||
        id < 1 ||
        id > MAX_ONE_BYTE_ID ||
        data.length < 1 ||
        data.length > MAX_ELEMENT_BYTES
      ) {
        return -1;
      }
      elements.push(Buffer.from([(id << 4) | (data.length - 1)]), data);
      const dataOffset = offset + 1;
      offset = dataOffset + data.length;
      return dataOffset;
    };

    add(ids.mid, Buffer.from(mid, 'utf8'));
    this.#ridOffset = add(ids.rid, Buffer.from(rid, 'utf8'));
    this.#repairedRidId = ids.repairedRid ?? 0;
    this.#transportSequenceOffset = add(ids.transportWideCc, Buffer.alloc(TRANSPORT_SEQUENCE_BYTES));
    this.#playoutDelayOffset = add(ids.playoutDelay, Buffer.alloc(PLAYOUT_DELAY_BYTES));
    this.#captureTimeOffset = add(ids.absCaptureTime, Buffer.alloc(CAPTURE_TIME_BYTES));

    if (elements.length === 0) {
      this.#template = Buffer.alloc(FIXED_HEADER_BYTES);
      this.#template.writeUInt8(VERSION_2, 0);
      return;
    }
    const extensionWords = Math.ceil((offset - FIXED_HEADER_BYTES - PROFILE_BYTES) / 4);
    this.#template = Buffer.alloc(FIXED_HEADER_BYTES + PROFILE_BYTES + extensionWords * 4);
    this.#template.writeUInt8(VERSION_2 | EXTENSION_BIT, 0);
    this.#template.writeUInt16BE(ONE_BYTE_PROFILE, FIXED_HEADER_BYTES);
    this.#template.writeUInt16BE(extensionWords, FIXED_HEADER_BYTES + 2);
    Buffer.concat(elements).copy(this.#template, FIXED_HEADER_BYTES + PROFILE_BYTES);
    // A least delay of zero says "render as soon as decoded".
    this.setPlayoutDelay(0, playoutDelayMaxMs);
  }

  /** From the next packet on; both in ms. Does nothing if the extension is not sent. */
  setPlayoutDelay(minMs: number, maxMs: number): void {
    if (this.#playoutDelayOffset < 0) {
      return;
    }
    // Least and greatest delay, 12 bits each, in 10 ms.
    const units = (ms: number): number => Math.min(Math.round(ms / PLAYOUT_DELAY_UNIT_MS), PLAYOUT_DELAY_MAX);
    this.#template.writeUIntBE(
      units(minMs) * (PLAYOUT_DELAY_MAX + 1) + units(maxMs),
      this.#playoutDelayOffset,
      PLAYOUT_DELAY_BYTES,
    );
  }

  /** Bytes of every header. */
  get length(): number {
    return this.#template.length;
  }

  write(fields: RtpHeaderFields): Buffer {
    const header = Buffer.from(this.#template);
    header.writeUInt8((fields.marker ? MARKER_BIT : 0) | fields.payloadType, 1);
    header.writeUInt16BE(fields.sequenceNumber, 2);
    header.writeUInt32BE(fields.rtpTimestamp, 4);
    header.writeUInt32BE(fields.ssrc, 8);
    if (this.#ridOffset >= 0 && fields.isRepair === true) {
      const length = header.readUInt8(this.#ridOffset - 1) & 0x0f;
      header.writeUInt8((this.#repairedRidId << 4) | length, this.#ridOffset - 1);
    }
    if (this.#transportSequenceOffset >= 0) {
      header.writeUInt16BE(fields.transportSequenceNumber, this.#transportSequenceOffset);
    }
    if (this.#captureTimeOffset >= 0) {
      header.writeUInt32BE(fields.captureTime.seconds, this.#captureTimeOffset);
      header.writeUInt32BE(fields.captureTime.fraction, this.#captureTimeOffset + 4);
    }
    return header;
  }
}
