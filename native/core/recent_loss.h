#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "rtcp_parser.h"

namespace streamkit {

/**
 * What a viewer's reports say of the last one to two seconds. The share in a single report says little:
 * browsers send one with each NACK as well, and of the twenty packets since the one before, a single packet
 * that is late makes 5 %.
 */
class RecentLoss {
 public:
  void onReport(const ReportBlock& block, int64_t nowUs) {
    last_ = Count{block.highestSequence, block.packetsLost, nowUs};
    if (!begun_) {
      forget();
    } else if (nowUs - next_.atUs >= kWindowUs) {
      base_ = next_;
      next_ = last_;
    }
  }

  /** What was lost until now does not count. */
  void forget() {
    base_ = next_ = last_;
    begun_ = true;
  }

  /** Whether more than `share`, 0 to 1, is lost, beyond what may be chance: two standard deviations, and one
   * packet. */
  bool exceeds(double share) const {
    const auto packets = static_cast<int32_t>(last_.highestSequence - base_.highestSequence);
    if (packets <= 0) {
      return false;
    }
    const int64_t lost = std::clamp<int64_t>(int64_t{last_.packetsLost} - base_.packetsLost, 0, packets);
    const double expected = share * packets;
    return lost > 1 && static_cast<double>(lost) >= expected + 2 * std::sqrt(expected);
  }

 private:
  struct Count {
    uint32_t highestSequence = 0;
    int32_t packetsLost = 0;
    int64_t atUs = 0;
  };
  static constexpr int64_t kWindowUs = 1'000'000;

  bool begun_ = false;
  /** What is counted from, and what is to be counted from next. */
  Count base_;
  Count next_;
  Count last_;
};

}  // namespace streamkit
