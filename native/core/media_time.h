#pragma once

#include <cstdint>
#include <optional>

namespace streamkit {

/** An NTP timestamp (RFC 3550 section 4): seconds since 1900 and 2^-32 fractions of one. */
struct NtpTime {
  uint32_t seconds = 0;
  uint32_t fraction = 0;

  /** The middle 32 bits, in 1/65536 s: what LSR of a report block echoes (RFC 3550 section 6.4.1). */
  uint32_t compact() const { return seconds << 16 | fraction >> 16; }
};

/**
 * Maps the monotonic clock, in which frames are stamped, to wall-clock NTP time. The mapping is taken once,
 * so that all streams of a plane share it and a step of the wall clock cannot tear audio and video apart.
 */
class MediaTime {
 public:
  /** @param wallOffsetUs wall-clock µs since the Unix epoch less monotonic µs, of the same moment */
  explicit MediaTime(int64_t wallOffsetUs) : wallOffsetUs_(wallOffsetUs) {}

  NtpTime ntpOf(int64_t monotonicUs) const;

 private:
  int64_t wallOffsetUs_;
};

/** The RTP timestamp of a moment: the same to the tick as what the encoders stamp their frames with. */
uint32_t rtpTimestampOf(int64_t monotonicUs, uint32_t clockRateHz);

/**
 * Round trip, ms, from a report block that arrived at `arrival` (RFC 3550 section 6.4.1); nothing where the
 * block echoes no sender report, or where what it says cannot be.
 */
std::optional<double> roundTripMs(const NtpTime& arrival, uint32_t lastSenderReport,
                                  uint32_t delaySinceLastSenderReport);

}  // namespace streamkit
