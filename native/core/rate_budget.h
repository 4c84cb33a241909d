#pragma once

#include <algorithm>
#include <cstdint>

namespace streamkit {

/** A token bucket: so much per second on average, and as much as one second allows at once. */
class RateBudget {
 public:
  explicit RateBudget(double perSecond) : perSecond_(perSecond), level_(perSecond) {}

  /** @returns false if the budget is exceeded; it is then empty */
  [[nodiscard]] bool take(double amount, int64_t nowUs) {
    if (refilledAtUs_ >= 0) {
      const auto elapsedUs = static_cast<double>(std::max<int64_t>(0, nowUs - refilledAtUs_));
      level_ = std::min(perSecond_, level_ + elapsedUs * perSecond_ / 1'000'000);
    }
    refilledAtUs_ = std::max(refilledAtUs_, nowUs);
    const bool isWithin = amount <= level_;
    level_ = std::max(0.0, level_ - amount);
    return isWithin;
  }

 private:
  double perSecond_;
  double level_;
  /** Negative before the first call. */
  int64_t refilledAtUs_ = -1;
};

}  // namespace streamkit
