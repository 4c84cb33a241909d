import type { NtpTime } from './media-time.js';

// RFC 3550 sections 6.4 to 6.6.
const VERSION_2 = 0x80;
const TYPE_SENDER_REPORT = 200;
const TYPE_RECEIVER_REPORT = 201;
const TYPE_SOURCE_DESCRIPTION = 202;
const TYPE_BYE = 203;
const SDES_CNAME = 1;
const MAX_CNAME_BYTES = 255;
const MAX_BYE_SOURCES = 31;
const TWO_POW_32 = 2 ** 32;

export interface SenderReport {
  readonly ssrc: number;
  /** The moment of the report, and the same moment in the RTP clock of the stream. */
  readonly ntp: NtpTime;
  readonly rtpTimestamp: number;
  readonly packetsSent: number;
  /** Payload bytes, without headers and padding. */
  readonly payloadBytesSent: number;
}

/** A compound of SR and SDES CNAME: RFC 3550 section 6.1 wants the CNAME in every one. */
export function buildSenderReport(report: SenderReport, cname: string): Buffer {
  const packet = Buffer.alloc(28);
  writeHeader(packet, 0, TYPE_SENDER_REPORT);
  packet.writeUInt32BE(report.ssrc, 4);
  packet.writeUInt32BE(report.ntp.seconds, 8);
  packet.writeUInt32BE(report.ntp.fraction, 12);
  packet.writeUInt32BE(report.rtpTimestamp, 16);
  packet.writeUInt32BE(report.packetsSent % TWO_POW_32, 20);
  packet.writeUInt32BE(report.payloadBytesSent % TWO_POW_32, 24);
  return Buffer.concat([packet, buildCname(report.ssrc, cname)]);
}

/** A compound of an empty RR, SDES CNAME and BYE for `ssrcs`, of which there are 1 to 31. */
export function buildBye(ssrcs: readonly number[], cname: string): Buffer {
  const sources = ssrcs.slice(0, MAX_BYE_SOURCES);
  const [ssrc = 0] = sources;
  const report = Buffer.alloc(8);
  writeHeader(report, 0, TYPE_RECEIVER_REPORT);
  report.writeUInt32BE(ssrc, 4);
  const bye = Buffer.alloc(4 + sources.length * 4);
  writeHeader(bye, sources.length, TYPE_BYE);
  sources.forEach((source, i) => bye.writeUInt32BE(source, 4 + i * 4));
  return Buffer.concat([report, buildCname(ssrc, cname), bye]);
}

function buildCname(ssrc: number, cname: string): Buffer {
  const text = Buffer.from(cname, 'utf8').subarray(0, MAX_CNAME_BYTES);
  // The item list ends in one to four zero bytes, up to the next word.
  const packet = Buffer.alloc(8 + (Math.floor((2 + text.length) / 4) + 1) * 4);
  writeHeader(packet, 1, TYPE_SOURCE_DESCRIPTION);
  packet.writeUInt32BE(ssrc, 4);
  packet.writeUInt8(SDES_CNAME, 8);
  packet.writeUInt8(text.length, 9);
  text.copy(packet, 10);
  return packet;
}

function writeHeader(packet: Buffer, count: number, type: number): void {
  packet.writeUInt8(VERSION_2 | count, 0);
  packet.writeUInt8(type, 1);
  packet.writeUInt16BE(packet.length / 4 - 1, 2);
}
