import { ACCESS_UNIT_DELIMITER, FILLER_DATA, h265NalType } from './h265-nal-type.js';
import { NalPayloader, type NalFormat } from './nal-payloader.js';

// RFC 7798 section 1.1.4: F, Type, LayerId, TID.
const FORBIDDEN_BIT = 0x8000;
const TYPE_MASK = 0x7e00;
const TYPE_SHIFT = 9;
const LAYER_ID_MASK = 0x01f8;
const TEMPORAL_ID_MASK = 0x0007;
/** Section 4.4: higher types are payloads, not NAL units. */
const MAX_SINGLE_TYPE = 47;
const AGGREGATION_PACKET = 48;
const FRAGMENTATION_UNIT = 49;

const FORMAT: NalFormat = {
  headerBytes: 2,
  typeOf: (header) => h265NalType(header >> 8),
  withType: (header, type) => (header & ~TYPE_MASK) | (type << TYPE_SHIFT),
  // Section 4.4.2: the lowest layer and the lowest sub-layer.
  merge: (one, other) =>
    ((one | other) & FORBIDDEN_BIT) |
    Math.min(one & LAYER_ID_MASK, other & LAYER_ID_MASK) |
    Math.min(one & TEMPORAL_ID_MASK, other & TEMPORAL_ID_MASK),
  isSent: (type) => type <= MAX_SINGLE_TYPE && type !== ACCESS_UNIT_DELIMITER && type !== FILLER_DATA,
  aggregateType: AGGREGATION_PACKET,
  fragmentType: FRAGMENTATION_UNIT,
};

/**
 * Splits H.265 access units into RTP payloads (RFC 7798) in the order of decoding, without DONL: aggregation packets, fragmentation
 * units, and single NAL unit packets. Access unit delimiters and filler are left out.
 */
export class H265Payloader extends NalPayloader {
  /** @throws StreamKitError `bad_option` */
  constructor(maxPayloadBytes?: number) {
    super(FORMAT, maxPayloadBytes);
  }
}
