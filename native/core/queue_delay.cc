#include "queue_delay.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace streamkit {
namespace {

constexpr int64_t kThresholdUs = 12'000;
constexpr int64_t kMaxThresholdUs = 150'000;
/** Beyond it jitter is taken for a queue: that of browsers on bad links is below. */
constexpr double kMaxJitterThresholdUs = 30'000;
constexpr int64_t kSevereUs = 35'000;
constexpr double kJitterWeight = 1.0 / 16;
/** Groups whose delays together are taken for the fast signal. */
constexpr size_t kRecentGroups = 3;
constexpr int64_t kRegressionUs = 300'000;
constexpr size_t kMinRegressionGroups = 5;
constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

}  // namespace

void QueueDelay::onPacket(int64_t sentUs, int64_t arrivalUs) {
  const int64_t delayUs = arrivalUs - sentUs;
  if (open_ && sentUs - current_.sentUs <= kGroupUs && sentUs >= current_.sentUs) {
    current_.delayUs = std::min(current_.delayUs, delayUs);
    return;
  }
  if (open_ && sentUs < current_.sentUs) {
    // Reported late: its group is judged already.
    return;
  }
  if (open_) {
    closeGroup();
  }
  open_ = true;
  current_ = {sentUs, delayUs};
}

void QueueDelay::closeGroup() {
  open_ = false;
  if (count_ > 0) {
    const int64_t differenceUs = std::abs(current_.delayUs - group(0).delayUs);
    if (differenceUs > kClockStepUs) {
      reset();
    } else if (current_.sentUs - group(0).sentUs < kStandingUs) {
      jitterUs_ += (static_cast<double>(std::min(differenceUs, kMaxThresholdUs)) - jitterUs_) * kJitterWeight;
    }
  }
  groups_[count_ % kGroups] = current_;
  count_ += 1;
  const int64_t bucket = current_.sentUs / kBaseBucketUs;
  if (baseBucket_ == INT64_MIN || bucket - baseBucket_ >= static_cast<int64_t>(kBaseBuckets)) {
    base_.fill(kNone);
    baseBucket_ = bucket;
  }
  for (; baseBucket_ < bucket; baseBucket_ += 1) {
    base_[static_cast<size_t>(baseBucket_ + 1) % kBaseBuckets] = kNone;
  }
  int64_t& least = base_[static_cast<size_t>(bucket) % kBaseBuckets];
  least = std::min(least, current_.delayUs);
}

void QueueDelay::reset() {
  count_ = 0;
  baseBucket_ = INT64_MIN;
  toleratedUs_ = 0;
}

int64_t QueueDelay::thresholdUs() const {
  return std::min(
      kMaxThresholdUs,
      kThresholdUs + static_cast<int64_t>(std::min(1.6 * jitterUs_, kMaxJitterThresholdUs) + toleratedUs_));
}

void QueueDelay::tolerate(int64_t queueUs) {
  toleratedUs_ = std::min<double>(kMaxThresholdUs, std::max(toleratedUs_, static_cast<double>(queueUs)));
}

void QueueDelay::judge() {
  overused_ = false;
  severe_ = false;
  if (count_ == 0) {
    return;
  }
  const int64_t baseUs = *std::min_element(base_.begin(), base_.end());
  const int64_t newestUs = group(0).sentUs;
  int64_t standingUs = kNone;
  int64_t recentUs = kNone;
  double n = 0;
  double sumX = 0;
  double sumY = 0;
  double sumXx = 0;
  double sumXy = 0;
  double sumYy = 0;
  for (size_t back = 0; back < kept(); back += 1) {
    const Group& each = group(back);
    const int64_t ageUs = newestUs - each.sentUs;
    if (ageUs > kRegressionUs) {
      break;
    }
    const int64_t delayUs = each.delayUs - baseUs;
    if (ageUs <= kStandingUs || back < kRecentGroups) {
      standingUs = std::min(standingUs, delayUs);
    }
    if (back < kRecentGroups) {
      recentUs = std::min(recentUs, delayUs);
    }
    const double x = -static_cast<double>(ageUs) / 1e6;
    const double y = static_cast<double>(delayUs);
    n += 1;
    sumX += x;
    sumY += y;
    sumXx += x * x;
    sumXy += x * y;
    sumYy += y * y;
  }
  queueUs_ = standingUs;
  recentUs_ = recentUs;
  toleratedUs_ *= 0.99;
  slope_ = 0;
  rises_ = false;
  const double spread = sumXx - sumX * sumX / n;
  if (n >= kMinRegressionGroups && spread > 0) {
    slope_ = (sumXy - sumX * sumY / n) / spread;
    const double residual = std::max(0.0, sumYy - sumY * sumY / n - slope_ * slope_ * spread);
    const double error = std::sqrt(residual / (n - 2) / spread);
    rises_ = slope_ > 3 * error && slope_ > 5'000;
  }
  severe_ = rises_ && recentUs_ > kSevereUs + static_cast<int64_t>(3 * jitterUs_ + toleratedUs_);
  overused_ = severe_ || (queueUs_ > thresholdUs() && (slope_ > -20'000 || queueUs_ > 3 * thresholdUs()));
}

}  // namespace streamkit
