/** A timestamp counts modulo 2^32 (RFC 3550 section 5.1). */
const TIMESTAMP_MODULUS = 2 ** 32;
/** Of every video payload type (RFC 6184, RFC 7741). */
export const VIDEO_CLOCK_RATE_HZ = 90_000;
const US_PER_SECOND = 1_000_000;

/**
 * The RTP timestamp of a moment. Pictures and sound share the origin of the monotonic clock, so that one sender
 * report maps both to wall-clock time.
 * @param monotonicUs - monotonic µs.
 */
export function rtpTimestampOf(monotonicUs: number, clockRateHz: number): number {
  // Seconds and their rest apart: the product of both in one would leave the integers a double holds.
  const seconds = Math.floor(monotonicUs / US_PER_SECOND);
  const restUs = monotonicUs - seconds * US_PER_SECOND;
  return (seconds * clockRateHz + Math.floor((restUs * clockRateHz) / US_PER_SECOND)) % TIMESTAMP_MODULUS;
}
