#include "media_time.h"

namespace streamkit {
namespace {

constexpr int64_t kUsPerSecond = 1'000'000;
constexpr int64_t kNtpEpochOffsetSeconds = 2'208'988'800;
constexpr double kMaxRoundTripMs = 60'000;

}  // namespace

NtpTime MediaTime::ntpOf(int64_t monotonicUs) const {
  const int64_t wallUs = monotonicUs + wallOffsetUs_;
  int64_t seconds = wallUs / kUsPerSecond;
  int64_t restUs = wallUs % kUsPerSecond;
  if (restUs < 0) {
    restUs += kUsPerSecond;
    seconds -= 1;
  }
  return {static_cast<uint32_t>(seconds + kNtpEpochOffsetSeconds),
          static_cast<uint32_t>((static_cast<uint64_t>(restUs) << 32) / kUsPerSecond)};
}

uint32_t rtpTimestampOf(int64_t monotonicUs, uint32_t clockRateHz) {
  const uint64_t us = static_cast<uint64_t>(monotonicUs);
  // Seconds and their rest apart, so that the product cannot overflow however long the machine is up.
  return static_cast<uint32_t>(us / kUsPerSecond * clockRateHz +
                               us % kUsPerSecond * clockRateHz / kUsPerSecond);
}

std::optional<double> roundTripMs(const NtpTime& arrival, uint32_t lastSenderReport,
                                  uint32_t delaySinceLastSenderReport) {
  if (lastSenderReport == 0) {
    return std::nullopt;
  }
  const uint32_t elapsed = arrival.compact() - lastSenderReport - delaySinceLastSenderReport;
  const double ms = elapsed * 1000.0 / 65536.0;
  return ms <= kMaxRoundTripMs ? std::optional(ms) : std::nullopt;
}

}  // namespace streamkit
