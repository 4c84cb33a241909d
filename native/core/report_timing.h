#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace streamkit {

/**
 * How often the sender report of a stream is sent: once per second, and more rarely the more viewers the
 * thread serves, for each report is a datagram and a call of its own. A thread sends 100 per second of each
 * kind of stream, or one per viewer in 5 s (RFC 3550 section 6.2) where that is more.
 */
struct ReportTiming {
  static constexpr int64_t kLeastUs = 1'000'000;
  static constexpr int64_t kMostUs = 5'000'000;
  static constexpr size_t kPerSecond = 100;
  /** So many of a stream come kLeastUs apart whatever the crowd: browsers relate sound to pictures by the
   * first two, and one may be lost. */
  static constexpr size_t kFirstReports = 3;

  static constexpr int64_t intervalUs(size_t viewers) {
    constexpr int64_t kEachUs = 1'000'000 / kPerSecond;
    return std::clamp(static_cast<int64_t>(std::min<size_t>(viewers, 1'000'000)) * kEachUs, kLeastUs,
                      kMostUs);
  }

  /**
   * @param sent reports of the stream until now, this one with them
   * @returns when the next one is due
   */
  int64_t nextUs(size_t sent, int64_t nowUs) const {
    const int64_t meanUs = sent < kFirstReports ? kLeastUs : intervalUs(viewers);
    // RFC 3550 section 6.3.5 spreads reports at random, so that streams begun together do not report
    // together.
    return nowUs + meanUs * 8 / 10 + random % (meanUs * 4 / 10);
  }

  /** That the thread serves. */
  size_t viewers = 0;
  uint32_t random = 0;
};

}  // namespace streamkit
