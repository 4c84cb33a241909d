/** RFC 3550 section 6.4.1. */
export interface ReportBlock {
  readonly ssrc: number;
  /** 0–1. */
  readonly fractionLost: number;
  /** Cumulative; negative where duplicates outnumber losses. */
  readonly packetsLost: number;
  /** 32 bits: extended by how often the 16 bits of the packets have wrapped around. */
  readonly highestSequence: number;
  /** In RTP timestamp units. */
  readonly jitter: number;
  readonly lastSenderReport: number;
  /** In 1/65536 s. */
  readonly delaySinceLastSenderReport: number;
}

/** What a viewer can ask or say that concerns the sender. */
export type RtcpMessage =
  | { readonly type: 'report'; readonly block: ReportBlock }
  | { readonly type: 'nack'; readonly ssrc: number; readonly sequenceNumbers: readonly number[] }
  | { readonly type: 'pli'; readonly ssrc: number }
  | { readonly type: 'fir'; readonly ssrc: number; readonly commandSequence: number }
  | { readonly type: 'bye'; readonly ssrcs: readonly number[] };

// RFC 3550 section 12.1, RFC 4585 section 6.1.
const TYPE_SENDER_REPORT = 200;
const TYPE_RECEIVER_REPORT = 201;
const TYPE_BYE = 203;
const TYPE_TRANSPORT_FEEDBACK = 205;
const TYPE_PAYLOAD_FEEDBACK = 206;
const FORMAT_NACK = 1;
const FORMAT_PLI = 1;
const FORMAT_FIR = 4;

const HEADER_BYTES = 4;
const SSRC_BYTES = 4;
const SENDER_INFO_BYTES = 20;
const REPORT_BLOCK_BYTES = 24;
const NACK_ITEM_BYTES = 4;
const FIR_ITEM_BYTES = 8;
const PADDING_BIT = 0x20;

/**
 * Reads a decrypted RTCP compound (RFC 3550 section 6.1; reduced-size RTCP of RFC 5506 as well). Packets that do
 * not concern a sender (SDES, APP, REMB, transport-wide feedback, whatever is unknown) are skipped by length.
 *
 * @returns undefined where a length does not fit: then nothing in the compound can be trusted.
 */
export function parseRtcp(bytes: Buffer): RtcpMessage[] | undefined {
  const messages: RtcpMessage[] = [];
  let position = 0;
  while (position < bytes.length) {
    if (bytes.length - position < HEADER_BYTES) {
      return undefined;
    }
    const first = bytes.readUInt8(position);
    const packetBytes = (bytes.readUInt16BE(position + 2) + 1) * 4;
    // Version 2 in the top two bits: RFC 3550 section 6.4.1.
    if (first >> 6 !== 2 || packetBytes > bytes.length - position) {
      return undefined;
    }
    let end = position + packetBytes;
    if ((first & PADDING_BIT) !== 0) {
      const paddingBytes = bytes.readUInt8(end - 1);
      if (paddingBytes === 0 || paddingBytes > packetBytes - HEADER_BYTES) {
        return undefined;
      }
      end -= paddingBytes;
    }
    const body = bytes.subarray(position + HEADER_BYTES, end);
    if (!readPacket(bytes.readUInt8(position + 1), first & 0x1f, body, messages)) {
      return undefined;
    }
    position += packetBytes;
  }
  return position > 0 ? messages : undefined;
}

/** @returns false where the body is too short for what its header says. */
function readPacket(type: number, count: number, body: Buffer, messages: RtcpMessage[]): boolean {
  switch (type) {
    case TYPE_SENDER_REPORT:
      return readReportBlocks(body, SSRC_BYTES + SENDER_INFO_BYTES, count, messages);
    case TYPE_RECEIVER_REPORT:
      return readReportBlocks(body, SSRC_BYTES, count, messages);
    case TYPE_BYE:
      return readBye(body, count, messages);
    case TYPE_TRANSPORT_FEEDBACK:
      return count !== FORMAT_NACK || readNack(body, messages);
    case TYPE_PAYLOAD_FEEDBACK:
      if (count === FORMAT_PLI) {
        return readPli(body, messages);
      }
      return count !== FORMAT_FIR || readFir(body, messages);
    default:
      return true;
  }
}

function readReportBlocks(body: Buffer, start: number, count: number, messages: RtcpMessage[]): boolean {
  if (body.length < start + count * REPORT_BLOCK_BYTES) {
    return false;
  }
  for (let i = 0; i < count; i += 1) {
    const block = start + i * REPORT_BLOCK_BYTES;
    messages.push({
      type: 'report',
      block: {
        ssrc: body.readUInt32BE(block),
        fractionLost: body.readUInt8(block + 4) / 256,
        packetsLost: body.readIntBE(block + 5, 3),
        highestSequence: body.readUInt32BE(block + 8),
        jitter: body.readUInt32BE(block + 12),
        lastSenderReport: body.readUInt32BE(block + 16),
        delaySinceLastSenderReport: body.readUInt32BE(block + 20),
      },
    });
  }
  return true;
}

function readBye(body: Buffer, count: number, messages: RtcpMessage[]): boolean {
  if (body.length < count * SSRC_BYTES) {
    return false;
  }
  const ssrcs: number[] = [];
  for (let i = 0; i < count; i += 1) {
    ssrcs.push(body.readUInt32BE(i * SSRC_BYTES));
  }
  messages.push({ type: 'bye', ssrcs });
  return true;
}

/** RFC 4585 section 6.2.1: a packet id and a bit mask of the 16 that follow it. */
function readNack(body: Buffer, messages: RtcpMessage[]): boolean {
  if (body.length < 2 * SSRC_BYTES + NACK_ITEM_BYTES) {
    return false;
  }
  const sequenceNumbers: number[] = [];
  for (let item = 2 * SSRC_BYTES; item + NACK_ITEM_BYTES <= body.length; item += NACK_ITEM_BYTES) {
    const packetId = body.readUInt16BE(item);
    const following = body.readUInt16BE(item + 2);
    sequenceNumbers.push(packetId);
    for (let bit = 0; bit < 16; bit += 1) {
      if ((following & (1 << bit)) !== 0) {
        sequenceNumbers.push((packetId + bit + 1) & 0xffff);
      }
    }
  }
  messages.push({ type: 'nack', ssrc: body.readUInt32BE(SSRC_BYTES), sequenceNumbers });
  return true;
}

/** RFC 4585 section 6.3.1. */
function readPli(body: Buffer, messages: RtcpMessage[]): boolean {
  if (body.length < 2 * SSRC_BYTES) {
    return false;
  }
  messages.push({ type: 'pli', ssrc: body.readUInt32BE(SSRC_BYTES) });
  return true;
}

/** RFC 5104 section 4.3.1: the media SSRC of the header is unused, each item names its own. */
function readFir(body: Buffer, messages: RtcpMessage[]): boolean {
  if (body.length < 2 * SSRC_BYTES + FIR_ITEM_BYTES) {
    return false;
  }
  for (let item = 2 * SSRC_BYTES; item + FIR_ITEM_BYTES <= body.length; item += FIR_ITEM_BYTES) {
    messages.push({
      type: 'fir',
      ssrc: body.readUInt32BE(item),
      commandSequence: body.readUInt8(item + 4),
    });
  }
  return true;
}
