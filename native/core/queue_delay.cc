#include "queue_delay.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace streamkit {
namespace {

constexpr int64_t kThresholdUs = 10'000;
/** A queue of this many bits of the viewer's own is put up with: a slow stream is not to give way to a fast
 * one beside it, whose bursts it waits behind. The steeper this is, the more evenly two share a link; the
 * longer the queue of a slow one that is alone. */
constexpr double kOwnBits = 27'000;
constexpr double kMaxOwnUs = 38'000;
constexpr int64_t kMaxToleratedUs = 400'000;
/** How long a queue must be gone to be nobody's any more. */
constexpr int64_t kForgetUs = 1'000'000;
/** Beyond it jitter is taken for a queue: that of browsers on bad links is below. */
constexpr double kMaxJitterThresholdUs = 30'000;
/** Beyond the threshold. */
constexpr int64_t kSevereUs = 17'000;
constexpr double kJitterWeight = 1.0 / 16;
/** A larger difference between two groups counts as this much jitter. */
constexpr int64_t kMaxDifferenceUs = 150'000;
/** Groups whose delays together are taken for the fast signal. */
constexpr size_t kRecentGroups = 3;
constexpr int64_t kRegressionUs = 300'000;
constexpr size_t kMinRegressionGroups = 5;
/** Delay above which packets have surely waited for others. */
constexpr int64_t kBusyUs = 8'000;
constexpr int64_t kMaxBusyUs = 500'000;
constexpr int64_t kMinBusyUs = 25'000;
constexpr size_t kMinBusyGroups = 3;
constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

}  // namespace

void QueueDelay::onPacket(int64_t sentUs, int64_t arrivalUs, size_t bytes) {
  const int64_t delayUs = arrivalUs - sentUs;
  if (open_ && sentUs - current_.sentUs <= kGroupUs && sentUs >= current_.sentUs) {
    current_.delayUs = std::min(current_.delayUs, delayUs);
    current_.arrivalUs = std::max(current_.arrivalUs, arrivalUs);
    current_.bytes += bytes;
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
  current_ = {sentUs, delayUs, arrivalUs, bytes};
}

void QueueDelay::closeGroup() {
  open_ = false;
  if (count_ > 0) {
    const int64_t differenceUs = std::abs(current_.delayUs - group(0).delayUs);
    if (differenceUs > kClockStepUs) {
      reset();
    } else if (current_.sentUs - group(0).sentUs < kStandingUs) {
      jitterUs_ +=
          (static_cast<double>(std::min(differenceUs, kMaxDifferenceUs)) - jitterUs_) * kJitterWeight;
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

int64_t QueueDelay::ownThresholdUs() const {
  const double ownUs = bitrateBps_ > 0 ? std::min(kMaxOwnUs, kOwnBits * 1e6 / bitrateBps_) : 0;
  return kThresholdUs + static_cast<int64_t>(ownUs + std::min(2 * jitterUs_, kMaxJitterThresholdUs));
}

void QueueDelay::tolerate(int64_t queueUs) {
  toleratedUs_ = std::min(kMaxToleratedUs, std::max(toleratedUs_, queueUs));
}

void QueueDelay::judgeBusy(int64_t baseUs) {
  busyBps_ = 0;
  const int64_t endUs = group(0).arrivalUs;
  // While it grows, what passed before it was long is of another time.
  const int64_t busyUs = std::max(kBusyUs + static_cast<int64_t>(jitterUs_ / 2), recentUs_ / 3);
  double bytes = 0;
  size_t groups = 0;
  int64_t sinceUs = endUs;
  for (size_t back = 0; back < kept() && endUs - group(back).arrivalUs < kMaxBusyUs; back += 1) {
    // What this group brought was sent on after the one before it had arrived.
    sinceUs = group(back).arrivalUs;
    groups = back;
    if (group(back).delayUs - baseUs < busyUs) {
      break;
    }
    bytes += static_cast<double>(group(back).bytes);
  }
  if (groups == 0) {
    return;
  }
  if (group(groups).delayUs - baseUs >= busyUs) {
    bytes -= static_cast<double>(group(groups).bytes);
  }
  if (groups >= kMinBusyGroups && endUs - sinceUs >= kMinBusyUs) {
    busyBps_ = bytes * 8e6 / static_cast<double>(endUs - sinceUs);
  }
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
  judgeBusy(baseUs);
  if (queueUs_ > std::max(ownThresholdUs(), toleratedUs_ / 3)) {
    queuedUs_ = newestUs;
  } else if (newestUs - queuedUs_ > kForgetUs) {
    toleratedUs_ = 0;
  }
  slope_ = 0;
  rises_ = false;
  const double spread = sumXx - sumX * sumX / n;
  if (n >= kMinRegressionGroups && spread > 0) {
    slope_ = (sumXy - sumX * sumY / n) / spread;
    const double residual = std::max(0.0, sumYy - sumY * sumY / n - slope_ * slope_ * spread);
    const double error = std::sqrt(residual / (n - 2) / spread);
    rises_ = slope_ > 3 * error && slope_ > 5'000;
  }
  severe_ = rises_ && recentUs_ > thresholdUs() + kSevereUs + static_cast<int64_t>(jitterUs_);
  overused_ = severe_ || (queueUs_ > thresholdUs() && (slope_ > -20'000 || queueUs_ > 3 * thresholdUs()));
}

}  // namespace streamkit
