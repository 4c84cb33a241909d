/**
 * One frame, split into RTP payloads once for all viewers. Payload `i` is `bytes[offsets[i] .. offsets[i + 1]]`;
 * `offsets` has one entry more than there are payloads. The last payload carries the RTP marker bit where the
 * kind is video.
 */
export interface RtpPayloads {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
  readonly keyframe: boolean;
  /** In the clock rate of the codec, modulo 2^32. */
  readonly rtpTimestamp: number;
  /** Monotonic µs of this machine. */
  readonly captureTimeUs: number;
}

/**
 * Default bytes of an RTP payload. 1200 bytes of UDP payload (RFC 8831 section 5 gives the figure for paths of
 * unknown MTU) less the RTP header (12), header extensions (24), RTX sequence number (2) and SRTP tag (16),
 * rounded down.
 */
export const DEFAULT_MAX_PAYLOAD_BYTES = 1144;
