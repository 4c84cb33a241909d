/** A timestamp counts modulo 2^32 (RFC 3550 section 5.1). */
const TIMESTAMP_MODULUS = 2 ** 32;

/**
 * The RTP timestamp of a moment. Pictures and sound share the origin of the monotonic clock, so that one sender
 * report maps both to wall-clock time.
 * @param captureTimeUs - monotonic µs.
 */
export function rtpTimestampOf(captureTimeUs: number, clockRateHz: number): number {
  return Math.floor((captureTimeUs * clockRateHz) / 1_000_000) % TIMESTAMP_MODULUS;
}
