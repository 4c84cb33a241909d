import { NalPayloader, type NalFormat } from './nal-payloader.js';

const TYPE_MASK = 0x1f;
const NRI_MASK = 0x60;
const FORBIDDEN_BIT = 0x80;
// RFC 6184 section 5.4, table 3, and ITU-T H.264 table 7-1.
const MAX_SINGLE_TYPE = 23;
const ACCESS_UNIT_DELIMITER = 9;
const FILLER_DATA = 12;
const STAP_A = 24;
const FU_A = 28;

const FORMAT: NalFormat = {
  headerBytes: 1,
  typeOf: (header) => header & TYPE_MASK,
  withType: (header, type) => (header & ~TYPE_MASK) | type,
  // RFC 6184 section 5.7: the highest importance.
  merge: (one, other) => ((one | other) & FORBIDDEN_BIT) | Math.max(one & NRI_MASK, other & NRI_MASK),
  // Types 0 and 24-31 mean something else in an RTP payload than in a bitstream.
  isSent: (type) =>
    type > 0 && type <= MAX_SINGLE_TYPE && type !== ACCESS_UNIT_DELIMITER && type !== FILLER_DATA,
  aggregateType: STAP_A,
  fragmentType: FU_A,
};

/**
 * Splits H.264 access units into RTP payloads in packetization-mode 1 (RFC 6184): STAP-A, FU-A, and single NAL unit packets. Access
 * unit delimiters and filler are left out.
 */
export class H264Payloader extends NalPayloader {
  /** @throws StreamKitError `bad_option` */
  constructor(maxPayloadBytes?: number) {
    super(FORMAT, maxPayloadBytes);
  }
}
