/** A browser's packets are no larger than an Ethernet frame. */
const MAX_PACKET_BYTES = 2048;
const HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 4;
/** Packets that a SACK says to be missing, with those between them; werift looks at each. */
const MAX_GAP_PACKETS = 4096;

/** RFC 9260 section 3.2. */
const DATA = 0;
const INIT = 1;
const INIT_ACK = 2;
const SACK = 3;
const HEARTBEAT = 4;
const HEARTBEAT_ACK = 5;
const ABORT = 6;
const SHUTDOWN = 7;
const SHUTDOWN_ACK = 8;
const ERROR = 9;
const COOKIE_ACK = 11;
const SHUTDOWN_COMPLETE = 14;
/** RFC 6525 section 3.1. */
const RECONFIG = 130;

/** Chunks that a viewer has reason to send, the fixed part of each in bytes, and whether parameters follow. */
const CHUNKS: ReadonlyMap<number, { readonly fixedBytes: number; readonly hasParameters: boolean }> = new Map(
  [
    [DATA, { fixedBytes: 12, hasParameters: false }],
    [INIT, { fixedBytes: 16, hasParameters: true }],
    [INIT_ACK, { fixedBytes: 16, hasParameters: true }],
    [SACK, { fixedBytes: 12, hasParameters: false }],
    [HEARTBEAT, { fixedBytes: 0, hasParameters: true }],
    [HEARTBEAT_ACK, { fixedBytes: 0, hasParameters: true }],
    [ABORT, { fixedBytes: 0, hasParameters: true }],
    [SHUTDOWN, { fixedBytes: 4, hasParameters: false }],
    [SHUTDOWN_ACK, { fixedBytes: 0, hasParameters: false }],
    [ERROR, { fixedBytes: 0, hasParameters: true }],
    [COOKIE_ACK, { fixedBytes: 0, hasParameters: false }],
    [SHUTDOWN_COMPLETE, { fixedBytes: 0, hasParameters: false }],
    [RECONFIG, { fixedBytes: 0, hasParameters: true }],
  ],
);

/**
 * Whether a packet of a viewer's can be handed to werift. Its parser takes the lengths in a packet for true: a chunk or a
 * parameter of no length would hold it for ever.
 */
export function isSoundSctpPacket(packet: Buffer): boolean {
  if (packet.length < HEADER_BYTES + CHUNK_HEADER_BYTES || packet.length > MAX_PACKET_BYTES) return false;
  let at = HEADER_BYTES;
  while (at < packet.length) {
    // RFC 9260 section 3.2: type, flags, and the length with these four bytes; padded to a multiple of four.
    if (at + CHUNK_HEADER_BYTES > packet.length) return false;
    const type = packet.readUInt8(at);
    const length = packet.readUInt16BE(at + 2);
    const known = CHUNKS.get(type);
    const end = at + length;
    if (known === undefined || length < CHUNK_HEADER_BYTES + known.fixedBytes || end > packet.length)
      return false;
    const body = packet.subarray(at + CHUNK_HEADER_BYTES, end);
    if (known.hasParameters && !hasSoundParameters(body.subarray(known.fixedBytes))) return false;
    if (type === SACK && !hasSoundGaps(body)) return false;
    at = end + padding(length);
  }
  return true;
}

/** RFC 9260 section 3.2.1. */
function hasSoundParameters(body: Buffer): boolean {
  let at = 0;
  while (at < body.length) {
    if (at + 4 > body.length) return false;
    const length = body.readUInt16BE(at + 2);
    if (length < 4 || at + length > body.length) return false;
    at += length + padding(length);
  }
  return true;
}

/** RFC 9260 section 3.3.4. */
function hasSoundGaps(body: Buffer): boolean {
  const gaps = body.readUInt16BE(8);
  const duplicates = body.readUInt16BE(10);
  if (body.length < 12 + 4 * (gaps + duplicates)) return false;
  let packets = 0;
  for (let index = 0; index < gaps; index += 1) {
    const start = body.readUInt16BE(12 + 4 * index);
    const end = body.readUInt16BE(14 + 4 * index);
    if (end < start) return false;
    packets += end - start + 1;
  }
  return packets <= MAX_GAP_PACKETS;
}

function padding(length: number): number {
  return (4 - (length % 4)) % 4;
}
