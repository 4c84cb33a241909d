#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "recent_loss.h"

namespace streamkit {

/**
 * How long a viewer holds its pictures back: not at all while it loses next to nothing, and otherwise until a
 * lost packet can have been sent again. Pictures that had to wait for one are then shown in step with the
 * others, instead of several at once of which only the last is seen.
 */
class PlayoutDelay {
 public:
  static constexpr unsigned kMaxMs = 200;
  /** Without losses for this long, it ends. */
  static constexpr int64_t kHoldUs = 15'000'000;

  /**
   * @param linkIsFull what is lost then is not to be waited for: all comes late
   * @param rttMs negative while it is not known
   */
  void onReport(const ReportBlock& block, bool linkIsFull, double rttMs, int64_t nowUs) {
    loss_.onReport(block, nowUs);
    if (linkIsFull) {
      loss_.forget();
    }
    if (rttMs >= 0) {
      rtts_[rttCount_++ % rtts_.size()] = rttMs;
    }
    const unsigned wantedMs = loss_.exceeds(kSomeLoss) ? repairMs() : 0;
    if (wantedMs >= ms_) {
      ms_ = wantedMs;
      wantedUs_ = nowUs;
    } else if (wantedMs > 0 && wantedMs + kUnitMs >= ms_) {
      wantedUs_ = nowUs;
    } else if (nowUs - wantedUs_ >= kHoldUs) {
      ms_ = wantedMs;
      wantedUs_ = nowUs;
    }
  }
  /** A multiple of 10, at most kMaxMs. */
  unsigned ms() const { return ms_; }

 private:
  static constexpr double kSomeLoss = 0.02;
  /** As the header extension has it. */
  static constexpr unsigned kUnitMs = 10;
  /** Beyond the round trip: until the second copy of a retransmission, and until the picture is decoded. */
  static constexpr double kBeyondRoundTripMs = 20;

  /** Of the last round trips the shortest: a report that was late on its way says little. */
  unsigned repairMs() const {
    const auto end = rtts_.begin() + static_cast<std::ptrdiff_t>(std::min(rttCount_, rtts_.size()));
    const double rttMs = end == rtts_.begin() ? 0 : *std::min_element(rtts_.begin(), end);
    const double units = std::round((rttMs + kBeyondRoundTripMs) / kUnitMs);
    return static_cast<unsigned>(std::min(units * kUnitMs, double{kMaxMs}));
  }

  RecentLoss loss_;
  std::array<double, 4> rtts_{};
  size_t rttCount_ = 0;
  unsigned ms_ = 0;
  /** When the present delay was wanted last. */
  int64_t wantedUs_ = 0;
};

}  // namespace streamkit
