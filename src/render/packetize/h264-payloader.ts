import type { EncodedFrame } from '../encode/encoded-frame.js';
import { AnnexBScanner } from './annex-b.js';
import { checkMaxPayloadBytes, PayloadWriter, pieceCount } from './payload-writer.js';
import { DEFAULT_MAX_PAYLOAD_BYTES, type RtpPayloads } from './rtp-payloads.js';

// RFC 6184 section 5.4, table 3, and ITU-T H.264 table 7-1.
const NAL_TYPE_MASK = 0x1f;
const NRI_MASK = 0x60;
const FORBIDDEN_BIT = 0x80;
const NAL_MAX_SINGLE_TYPE = 23;
const NAL_ACCESS_UNIT_DELIMITER = 9;
const NAL_FILLER_DATA = 12;
const NAL_STAP_A = 24;
const NAL_FU_A = 28;
const FU_START_BIT = 0x80;
const FU_END_BIT = 0x40;
const FU_HEADER_BYTES = 2;
const STAP_A_HEADER_BYTES = 1;
const STAP_A_SIZE_BYTES = 2;

/**
 * Splits H.264 access units into RTP payloads in packetization-mode 1 (RFC 6184): consecutive NAL units that fit
 * together share a STAP-A, one too large for a payload is cut into FU-As of equal size (so that one GSO send
 * takes them all), any other is a single NAL unit packet. Access unit delimiters and filler are left out.
 */
export class H264Payloader {
  readonly #maxPayloadBytes: number;
  readonly #nals = new AnnexBScanner();

  /** @throws StreamKitError `bad_option` */
  constructor(maxPayloadBytes: number = DEFAULT_MAX_PAYLOAD_BYTES) {
    this.#maxPayloadBytes = checkMaxPayloadBytes(maxPayloadBytes);
  }

  /** Bytes that hold no NAL unit give no payload. The result shares no memory with the frame. */
  payload(frame: EncodedFrame): RtpPayloads {
    const bytes = Buffer.from(frame.bytes.buffer, frame.bytes.byteOffset, frame.bytes.byteLength);
    const nalCount = this.#keepTransmitted(bytes, this.#nals.scan(bytes));
    const writer = this.#writerFor(nalCount);

    let first = 0;
    while (first < nalCount) {
      if (this.#nalBytes(first) > this.#maxPayloadBytes) {
        this.#writeFragments(writer, bytes, first);
        first += 1;
        continue;
      }
      let next = first + 1;
      let aggregateBytes = STAP_A_HEADER_BYTES + STAP_A_SIZE_BYTES + this.#nalBytes(first);
      while (next < nalCount) {
        aggregateBytes += STAP_A_SIZE_BYTES + this.#nalBytes(next);
        if (aggregateBytes > this.#maxPayloadBytes) {
          break;
        }
        next += 1;
      }
      if (next === first + 1) {
        writer.writeBytes(bytes, this.#start(first), this.#end(first));
        writer.endPayload();
      } else {
        this.#writeAggregate(writer, bytes, first, next);
      }
      first = next;
    }

    return writer.finish(frame);
  }

  #start(nal: number): number {
    return this.#nals.starts[nal] ?? 0;
  }

  #end(nal: number): number {
    return this.#nals.ends[nal] ?? 0;
  }

  #nalBytes(nal: number): number {
    return this.#end(nal) - this.#start(nal);
  }

  /** Moves the NAL units that are sent to the front and says how many they are. */
  #keepTransmitted(bytes: Buffer, nalCount: number): number {
    const { starts, ends } = this.#nals;
    let kept = 0;
    for (let nal = 0; nal < nalCount; nal += 1) {
      const type = (bytes[this.#start(nal)] ?? 0) & NAL_TYPE_MASK;
      // Types 0 and 24-31 mean something else in an RTP payload than in a bitstream.
      const transmitted =
        type > 0 &&
        type <= NAL_MAX_SINGLE_TYPE &&
        type !== NAL_ACCESS_UNIT_DELIMITER &&
        type !== NAL_FILLER_DATA;
      if (transmitted) {
        starts[kept] = this.#start(nal);
        ends[kept] = this.#end(nal);
        kept += 1;
      }
    }
    return kept;
  }

  #writerFor(nalCount: number): PayloadWriter {
    let maxBytes = 0;
    let maxPayloads = 0;
    for (let nal = 0; nal < nalCount; nal += 1) {
      const nalBytes = this.#nalBytes(nal);
      if (nalBytes > this.#maxPayloadBytes) {
        const fragments = pieceCount(nalBytes - 1, this.#maxPayloadBytes - FU_HEADER_BYTES);
        maxBytes += nalBytes - 1 + fragments * FU_HEADER_BYTES;
        maxPayloads += fragments;
      } else {
        maxBytes += STAP_A_HEADER_BYTES + STAP_A_SIZE_BYTES + nalBytes;
        maxPayloads += 1;
      }
    }
    return new PayloadWriter(maxBytes, maxPayloads);
  }

  /** RFC 6184 section 5.7.1. */
  #writeAggregate(writer: PayloadWriter, bytes: Buffer, first: number, next: number): void {
    let forbidden = 0;
    let importance = 0;
    for (let nal = first; nal < next; nal += 1) {
      const header = bytes[this.#start(nal)] ?? 0;
      forbidden |= header & FORBIDDEN_BIT;
      importance = Math.max(importance, header & NRI_MASK);
    }
    writer.writeByte(forbidden | importance | NAL_STAP_A);
    for (let nal = first; nal < next; nal += 1) {
      writer.writeUint16(this.#nalBytes(nal));
      writer.writeBytes(bytes, this.#start(nal), this.#end(nal));
    }
    writer.endPayload();
  }

  /** RFC 6184 section 5.8. The NAL header travels in the two FU bytes, not in the fragments. */
  #writeFragments(writer: PayloadWriter, bytes: Buffer, nal: number): void {
    const header = bytes[this.#start(nal)] ?? 0;
    const indicator = (header & (FORBIDDEN_BIT | NRI_MASK)) | NAL_FU_A;
    const type = header & NAL_TYPE_MASK;
    const bodyStart = this.#start(nal) + 1;
    const bodyEnd = this.#end(nal);
    const bodyBytes = bodyEnd - bodyStart;
    const fragmentBytes = Math.ceil(
      bodyBytes / pieceCount(bodyBytes, this.#maxPayloadBytes - FU_HEADER_BYTES),
    );
    for (let start = bodyStart; start < bodyEnd; start += fragmentBytes) {
      const end = Math.min(start + fragmentBytes, bodyEnd);
      const startBit = start === bodyStart ? FU_START_BIT : 0;
      const endBit = end === bodyEnd ? FU_END_BIT : 0;
      writer.writeByte(indicator);
      writer.writeByte(startBit | endBit | type);
      writer.writeBytes(bytes, start, end);
      writer.endPayload();
    }
  }
}
