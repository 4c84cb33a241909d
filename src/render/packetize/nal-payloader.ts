import type { EncodedFrame } from '../encode/encoded-frame.js';
import { AnnexBScanner } from './annex-b.js';
import { checkMaxPayloadBytes, PayloadWriter, pieceCount } from './payload-writer.js';
import { DEFAULT_MAX_PAYLOAD_BYTES, type RtpPayloads } from './rtp-payloads.js';

/** How NAL units of a codec are carried by RTP; a header is a number of `headerBytes` bytes. */
export interface NalFormat {
  /** Size of the header of a NAL unit, and of the payload header that stands in its place. */
  readonly headerBytes: 1 | 2;
  /** `nal_unit_type` of a header. */
  readonly typeOf: (header: number) => number;
  /** The header with another type. */
  readonly withType: (header: number, type: number) => number;
  /** What the payload header of an aggregate says of two NAL units in it; its type does not matter. */
  readonly merge: (one: number, other: number) => number;
  /** Whether NAL units of this type are sent. */
  readonly isSent: (type: number) => boolean;
  /** Types of payloads that hold several NAL units, and a part of one. */
  readonly aggregateType: number;
  readonly fragmentType: number;
}

/** Bits of the byte behind the payload header of a fragment; its low bits are the type of the NAL unit. */
const FRAGMENT_START_BIT = 0x80;
const FRAGMENT_END_BIT = 0x40;
const FRAGMENT_BYTE = 1;
/** The size that stands before each NAL unit of an aggregate. */
const SIZE_BYTES = 2;

/**
 * Splits access units in Annex B into RTP payloads: consecutive NAL units that fit together share an aggregate, one too large
 * for a payload is cut into fragments of equal size (so that one GSO send takes them all), any other is sent alone.
 */
export class NalPayloader {
  readonly #format: NalFormat;
  readonly #maxPayloadBytes: number;
  readonly #nals = new AnnexBScanner();

  /** @throws StreamKitError `bad_option` */
  constructor(format: NalFormat, maxPayloadBytes: number = DEFAULT_MAX_PAYLOAD_BYTES) {
    this.#format = format;
    this.#maxPayloadBytes = checkMaxPayloadBytes(maxPayloadBytes);
  }

  /** Bytes that hold no NAL unit give no payload. The result shares no memory with the frame. */
  payload(frame: EncodedFrame): RtpPayloads {
    const bytes = Buffer.from(frame.bytes.buffer, frame.bytes.byteOffset, frame.bytes.byteLength);
    const nalCount = this.#keepSent(bytes, this.#nals.scan(bytes));
    const writer = this.#writerFor(nalCount);

    let first = 0;
    while (first < nalCount) {
      if (this.#nalBytes(first) > this.#maxPayloadBytes) {
        this.#writeFragments(writer, bytes, first);
        first += 1;
        continue;
      }
      let next = first + 1;
      let aggregateBytes = this.#format.headerBytes + SIZE_BYTES + this.#nalBytes(first);
      while (next < nalCount) {
        aggregateBytes += SIZE_BYTES + this.#nalBytes(next);
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

  #header(bytes: Buffer, nal: number): number {
    const start = this.#start(nal);
    const first = bytes[start] ?? 0;
    return this.#format.headerBytes === 1 ? first : (first << 8) | (bytes[start + 1] ?? 0);
  }

  /** Moves the NAL units that are sent to the front and says how many they are. */
  #keepSent(bytes: Buffer, nalCount: number): number {
    const { headerBytes, isSent, typeOf } = this.#format;
    const { starts, ends } = this.#nals;
    let kept = 0;
    for (let nal = 0; nal < nalCount; nal += 1) {
      if (this.#nalBytes(nal) >= headerBytes && isSent(typeOf(this.#header(bytes, nal)))) {
        starts[kept] = this.#start(nal);
        ends[kept] = this.#end(nal);
        kept += 1;
      }
    }
    return kept;
  }

  #writerFor(nalCount: number): PayloadWriter {
    const { headerBytes } = this.#format;
    let maxBytes = 0;
    let maxPayloads = 0;
    for (let nal = 0; nal < nalCount; nal += 1) {
      const nalBytes = this.#nalBytes(nal);
      if (nalBytes > this.#maxPayloadBytes) {
        const overheadBytes = headerBytes + FRAGMENT_BYTE;
        const fragments = pieceCount(nalBytes - headerBytes, this.#maxPayloadBytes - overheadBytes);
        maxBytes += nalBytes - headerBytes + fragments * overheadBytes;
        maxPayloads += fragments;
      } else {
        maxBytes += headerBytes + SIZE_BYTES + nalBytes;
        maxPayloads += 1;
      }
    }
    return new PayloadWriter(maxBytes, maxPayloads);
  }

  #writeHeader(writer: PayloadWriter, header: number): void {
    if (this.#format.headerBytes === 1) writer.writeByte(header);
    else writer.writeUint16(header);
  }

  #writeAggregate(writer: PayloadWriter, bytes: Buffer, first: number, next: number): void {
    const { merge, withType, aggregateType } = this.#format;
    let header = this.#header(bytes, first);
    for (let nal = first + 1; nal < next; nal += 1) header = merge(header, this.#header(bytes, nal));
    this.#writeHeader(writer, withType(header, aggregateType));
    for (let nal = first; nal < next; nal += 1) {
      writer.writeUint16(this.#nalBytes(nal));
      writer.writeBytes(bytes, this.#start(nal), this.#end(nal));
    }
    writer.endPayload();
  }

  /** The header of the NAL unit travels in the payload header and the byte behind it, not in the fragments. */
  #writeFragments(writer: PayloadWriter, bytes: Buffer, nal: number): void {
    const { headerBytes, typeOf, withType, fragmentType } = this.#format;
    const header = this.#header(bytes, nal);
    const payloadHeader = withType(header, fragmentType);
    const bodyStart = this.#start(nal) + headerBytes;
    const bodyEnd = this.#end(nal);
    const bodyBytes = bodyEnd - bodyStart;
    const roomBytes = this.#maxPayloadBytes - headerBytes - FRAGMENT_BYTE;
    const fragmentBytes = Math.ceil(bodyBytes / pieceCount(bodyBytes, roomBytes));
    for (let start = bodyStart; start < bodyEnd; start += fragmentBytes) {
      const end = Math.min(start + fragmentBytes, bodyEnd);
      const startBit = start === bodyStart ? FRAGMENT_START_BIT : 0;
      const endBit = end === bodyEnd ? FRAGMENT_END_BIT : 0;
      this.#writeHeader(writer, payloadHeader);
      writer.writeByte(startBit | endBit | typeOf(header));
      writer.writeBytes(bytes, start, end);
      writer.endPayload();
    }
  }
}
