import type { Clock } from '../base/clock.js';

/** An NTP timestamp (RFC 3550 section 4): seconds since 1900 and 2^-32 fractions of one. */
export interface NtpTime {
  readonly seconds: number;
  readonly fraction: number;
}

const US_PER_SECOND = 1_000_000;
const NTP_EPOCH_OFFSET_SECONDS = 2_208_988_800;
const TWO_POW_32 = 2 ** 32;
const TWO_POW_16 = 2 ** 16;

/**
 * Maps the monotonic clock, in which frames are stamped, to wall-clock NTP time. The mapping is taken once, so
 * that all streams of a plane share it and a step of the wall clock cannot tear audio and video apart.
 */
export class MediaTime {
  readonly #wallOffsetUs: number;

  readonly #clock: Clock;
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wallOffsetUs = clock.wallMs() * 1000 - clock.nowUs();
  }

  nowUs(): number {
    return this.#clock.nowUs();
  }

  ntpOf(monotonicUs: number): NtpTime {
    const wallUs = monotonicUs + this.#wallOffsetUs;
    const wallSeconds = Math.floor(wallUs / US_PER_SECOND);
    const fraction = Math.floor(((wallUs - wallSeconds * US_PER_SECOND) / US_PER_SECOND) * TWO_POW_32);
    return { seconds: (wallSeconds + NTP_EPOCH_OFFSET_SECONDS) % TWO_POW_32, fraction };
  }
}

/** The middle 32 bits of an NTP time, in 1/65536 s: what LSR of a report block echoes (RFC 3550 section 6.4.1). */
export function compactNtp(time: NtpTime): number {
  return (time.seconds % TWO_POW_16) * TWO_POW_16 + Math.floor(time.fraction / TWO_POW_16);
}

/**
 * Round trip, ms, from a report block that arrived at `arrival` (RFC 3550 section 6.4.1); undefined where the block
 * echoes no sender report, or where what it says cannot be.
 */
export function roundTripMs(
  arrival: NtpTime,
  lastSenderReport: number,
  delaySinceLastSenderReport: number,
): number | undefined {
  if (lastSenderReport === 0) {
    return undefined;
  }
  const elapsed = compactNtp(arrival) - lastSenderReport - delaySinceLastSenderReport;
  const wrapped = ((elapsed % TWO_POW_32) + TWO_POW_32) % TWO_POW_32;
  const ms = (wrapped * 1000) / TWO_POW_16;
  return ms <= MAX_ROUND_TRIP_MS ? ms : undefined;
}

const MAX_ROUND_TRIP_MS = 60_000;
