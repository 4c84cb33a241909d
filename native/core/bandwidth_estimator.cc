#include "bandwidth_estimator.h"

#include <algorithm>
#include <limits>

namespace streamkit {
namespace {

constexpr double kFirstBitrateBps = 1'000'000;
/** Windows over which arrivals are counted: an ordinary one, and one for a link that has just become slower.
 */
constexpr int64_t kArrivedUs = 500'000;
constexpr int64_t kArrivedRecentlyUs = 150'000;
/** Below this share of the estimate it counts as unused, and does not grow by itself. */
constexpr double kUsedShare = 0.8;
/** Growth: a share per second while nothing is known of the link's end, else so many bit/s per second. */
constexpr double kGrowthPerSecond = 0.2;
constexpr double kAdditiveBps = 120'000;
constexpr double kMinAdditiveBps = 60'000;
/** The same share while the estimate is below what the link carried a moment ago. */
constexpr double kRecoveryPerSecond = 0.6;
/** Share of the additive growth that is left when the queue is at its threshold. Growth is undiminished up to
 * a third of the threshold. */
constexpr double kLeastRoom = 0.2;
constexpr double kRoomSlope = 1.5;
constexpr double kMaxOverArrived = 1.3;
/** What arrived before a pause of ours says nothing about the link. */
constexpr int64_t kPauseUs = 100'000;
constexpr int64_t kMaxStepUs = 100'000;
/** Below it the arrival of bursts is taken at its word. */
constexpr int64_t kCalmJitterUs = 4'000;
/** How long the rate at which the link was full is believed in. */
constexpr int64_t kCapacityLifeUs = 20'000'000;
constexpr double kBackOff = 0.92;
/** Feedback in a row that must show a queue. */
constexpr int kOveruses = 2;
constexpr int64_t kDrainUs = 600'000;
constexpr double kLeastDrain = 0.5;
/** Decreases in a row that did not shorten the queue. */
constexpr int kStuckDecreases = 3;

constexpr int64_t kProbePauseUs = 3'000'000;
constexpr int64_t kProbeRetryUs = 1'000'000;
constexpr int64_t kMaxProbePauseUs = 12'000'000;
constexpr int64_t kProbeUs = 20'000;
/** Until then the rate at which the link was full is not probed; beyond this share of it the link has
 * changed. */
constexpr int64_t kProbeAnewUs = 8'000'000;
constexpr double kBeyondCapacity = 1.5;
constexpr double kProbeFactor = 2;
/** A probe that fails is not to make a longer queue than this, */
constexpr double kMaxProbeQueueUs = 50'000;
/** but fewer packets tell nothing. */
constexpr size_t kMinProbeBytes = 4 * 1000;
constexpr double kFailedProbeGain = 1.5;
constexpr size_t kMinBurstPackets = 4;
constexpr int64_t kMinBurstSpanUs = 1'000;

constexpr size_t kLossWindowPackets = 80;
constexpr int64_t kLossWindowUs = 300'000;
constexpr double kMuchLoss = 0.1;
constexpr double kExcessLoss = 0.08;

constexpr int64_t kFeedbackIntervalUs = 250'000;
constexpr int64_t kWindowUs = 150'000;
constexpr double kMinWindowBytes = 12'000;
constexpr int64_t kMaxRoundTripUs = 2'000'000;

}  // namespace

void BandwidthEstimator::setBitrate(double bitrateBps) {
  bitrateBps_ = std::clamp(bitrateBps, kMinBitrateBps, kMaxBitrateBps);
  delay_.setBitrate(bitrateBps_);
}

void BandwidthEstimator::onSent(size_t bytes, int64_t nowUs) {
  if (sentBytes_ == sentBytesReported_) {
    silenceUs_ = nowUs;
  }
  sentBytes_ += bytes;
}

void BandwidthEstimator::addArrival(int64_t arrivalUs, size_t bytes) {
  if (!arrived_ || std::abs(arrivalUs - newestArrivalUs_) > 10 * kArrivedUs) {
    // The first one, or a step of the viewer's clock.
    arrived_ = true;
    arrivedBytes_.fill(0);
    firstArrivalUs_ = arrivalUs;
    resumedUs_ = arrivalUs;
    newestArrivalUs_ = arrivalUs;
    newestBucket_ = arrivalUs / kBucketUs;
  }
  if (arrivalUs - newestArrivalUs_ > kPauseUs) {
    resumedUs_ = arrivalUs;
  }
  const int64_t bucket = arrivalUs / kBucketUs;
  for (; newestBucket_ < bucket; newestBucket_ += 1) {
    arrivedBytes_[static_cast<size_t>(newestBucket_ + 1) % kBuckets] = 0;
  }
  newestArrivalUs_ = std::max(newestArrivalUs_, arrivalUs);
  if (newestBucket_ - bucket < static_cast<int64_t>(kBuckets)) {
    arrivedBytes_[static_cast<size_t>(bucket) % kBuckets] += static_cast<uint32_t>(bytes);
  }
}

double BandwidthEstimator::arrivedBps(int64_t windowUs) const {
  // The newest bucket is not full yet.
  const int64_t buckets = std::min<int64_t>(windowUs / kBucketUs, kBuckets - 1);
  const int64_t since = std::max(newestBucket_ - buckets, firstArrivalUs_ / kBucketUs);
  double bytes = 0;
  for (int64_t bucket = since; bucket < newestBucket_; bucket += 1) {
    bytes += arrivedBytes_[static_cast<size_t>(bucket) % kBuckets];
  }
  const int64_t spanUs = (newestBucket_ - since) * kBucketUs;
  return spanUs <= 0 ? 0 : bytes * 8e6 / static_cast<double>(spanUs);
}

double BandwidthEstimator::usedBps() const {
  return arrivedBps(kArrivedUs);
}

void BandwidthEstimator::onReport(int64_t sequence, const PacketReport& report) {
  newestReported_ = std::max(newestReported_, sequence);
  newestSentUs_ = std::max(newestSentUs_, report.sentUs);
  sentBytesReported_ = std::min(sentBytes_, sentBytesReported_ + (report.wasLost ? 0 : report.bytes));
  // The last decrease was the answer to what was lost before it.
  if (report.sentUs > decreasedUs_) {
    if (report.wasLost) {
      windowLost_ -= std::min<size_t>(windowLost_, 1);
    } else {
      windowPackets_ += 1;
      windowLost_ += report.received ? 0 : 1;
    }
  }
  if (burst_.has_value() && sequence >= burst_->firstSequence &&
      (burst_->endSequence < 0 || sequence < burst_->endSequence)) {
    Burst& burst = *burst_;
    if (!report.received) {
      burst.lost += 1;
    } else {
      if (burst.packets == 0) {
        burst.firstSentUs = report.sentUs;
        burst.firstArrivalUs = report.arrivalUs;
        burst.firstBytes = report.bytes;
      }
      burst.packets += 1;
      burst.bytes += report.bytes;
      burst.lastSentUs = std::max(burst.lastSentUs, report.sentUs);
      burst.lastArrivalUs = std::max(burst.lastArrivalUs, report.arrivalUs);
    }
  }
  if (report.received) {
    addArrival(report.arrivalUs, report.bytes);
    delay_.onPacket(report.sentUs, report.arrivalUs, report.bytes);
  }
}

void BandwidthEstimator::onUnreported(int64_t arrivalUs, size_t bytes) {
  sentBytesReported_ = std::min(sentBytes_, sentBytesReported_ + bytes);
  addArrival(arrivalUs, bytes);
}

void BandwidthEstimator::onFeedbackEnd(int64_t nowUs, int64_t roundTripUs) {
  feedbackUs_ = nowUs;
  silenceUs_ = nowUs;
  roundTripUs_ = std::clamp<int64_t>(roundTripUs, 1'000, kMaxRoundTripUs);
  leastRoundTripUs_ = std::min(leastRoundTripUs_, roundTripUs_);
  delay_.judge();
  if (burst_.has_value() && burst_->endSequence >= 0 && newestReported_ >= burst_->endSequence - 1) {
    judgeBurst(nowUs);
  }
  if (!started()) {
    if (arrived_ && !burst_.has_value()) {
      setBitrate(kFirstBitrateBps);
    }
    return;
  }
  judgeLoss(nowUs);
  // What was changed last must have had time to show.
  const bool settled = newestSentUs_ > decreasedUs_ + kArrivedRecentlyUs / 3 &&
                       newestArrivalUs_ - resumedUs_ > kArrivedRecentlyUs / 2;
  overuses_ = delay_.overused() ? overuses_ + 1 : 0;
  if (settled && (delay_.severe() || overuses_ >= kOveruses)) {
    // No more arrives than the link carries, unless jitter pushes it together.
    const double recentBps = arrivedBps(std::min(kArrivedRecentlyUs, newestArrivalUs_ - resumedUs_));
    const double steadyBps = arrivedBps(std::min(kArrivedUs, newestArrivalUs_ - resumedUs_));
    const bool isCalm = delay_.jitterUs() < kCalmJitterUs;
    const double busyBps = delay_.busyBps();
    decrease(busyBps > 0 && (isCalm || delay_.severe()) ? busyBps
             : delay_.severe()                          ? recentBps
             : isCalm                                   ? std::max(recentBps, steadyBps)
                                                        : steadyBps,
             nowUs);
  } else if (draining_ && delay_.drained()) {
    draining_ = false;
    setBitrate(std::max(bitrateBps_, std::min(capacityBps_ * kBackOff, 2 * arrivedBps(kArrivedUs))));
  } else if (!delay_.overused() && !draining_) {
    increase(nowUs);
  } else if (draining_ && nowUs - decreasedUs_ > 3 * kDrainUs) {
    draining_ = false;
  }
  if (nowUs - capacityUs_ > kCapacityLifeUs / 4 && !draining_) {
    full_ = false;
  }
}

void BandwidthEstimator::decrease(double capacityBps, int64_t nowUs) {
  const int64_t queueUs = std::max<int64_t>(0, delay_.severe() ? delay_.recentUs() : delay_.queueUs());
  const bool again = nowUs - decreasedUs_ < 4 * (leastRoundTripUs_ + kArrivedRecentlyUs);
  stuck_ = again && queueUs > queueAtDecreaseUs_ * 3 / 4 ? stuck_ + 1 : 0;
  if (stuck_ >= kStuckDecreases) {
    // Less was sent again and again, and the queue did not get shorter: it is somebody else's.
    delay_.tolerate(queueUs);
  }
  const double ownUs = static_cast<double>(std::max<int64_t>(0, queueUs - delay_.toleratedUs()));
  const double drain = std::clamp(kBackOff - ownUs / kDrainUs, kLeastDrain, kBackOff);
  setBitrate(std::min(bitrateBps_, capacityBps * drain));
  capacityBps_ = std::max(capacityBps, kMinBitrateBps);
  capacityUs_ = nowUs;
  decreasedUs_ = nowUs;
  queueAtDecreaseUs_ = queueUs;
  draining_ = true;
  full_ = true;
  probePauseUs_ = kProbePauseUs;
  probeDueUs_ = nowUs + kProbePauseUs;
  burst_.reset();
  probing_ = false;
}

void BandwidthEstimator::increase(int64_t nowUs) {
  const double usedBps = arrivedBps(kArrivedUs);
  if (usedBps < kUsedShare * bitrateBps_ || loss_ > kMuchLoss) {
    return;
  }
  const double seconds = static_cast<double>(std::min(nowUs - increasedUs_, kMaxStepUs)) / 1e6;
  increasedUs_ = nowUs;
  // What arrived while the queue grew may have been a quarter less than the link carries.
  const bool nearCapacity = nowUs - capacityUs_ < kCapacityLifeUs && bitrateBps_ > 0.8 * capacityBps_ &&
                            bitrateBps_ < kBeyondCapacity * capacityBps_;
  const bool belowCapacity = nowUs - capacityUs_ < kCapacityLifeUs && bitrateBps_ <= 0.8 * capacityBps_;
  // A queue that builds up says that the end is near. A short one does not: of two that share a link, the one
  // whose pictures always come just behind the other's would see it alone, and grow more slowly for good.
  const double room = std::clamp(
      kRoomSlope * (1 - static_cast<double>(delay_.queueUs()) / static_cast<double>(delay_.thresholdUs())),
      kLeastRoom, 1.0);
  const double growthBps = nearCapacity ? room * std::clamp(0.1 * capacityBps_, kMinAdditiveBps, kAdditiveBps)
                           : belowCapacity ? kRecoveryPerSecond * bitrateBps_
                                           : kGrowthPerSecond * bitrateBps_;
  const double grown = bitrateBps_ + growthBps * seconds;
  setBitrate(std::max(bitrateBps_, std::min(grown, kMaxOverArrived * usedBps)));
}

void BandwidthEstimator::judgeLoss(int64_t nowUs) {
  if (windowPackets_ < kLossWindowPackets || nowUs - windowStartUs_ < kLossWindowUs) {
    return;
  }
  loss_ = static_cast<double>(windowLost_) / static_cast<double>(windowPackets_);
  // What the link loses at any rate is no sign that it is full.
  const double usual = *std::min_element(lossWindows_.begin(), lossWindows_.end());
  lossWindows_[lossWindow_] = loss_;
  lossWindow_ = (lossWindow_ + 1) % kLossWindows;
  windowPackets_ = 0;
  windowLost_ = 0;
  windowStartUs_ = nowUs;
  if (loss_ > kMuchLoss && loss_ - usual > kExcessLoss) {
    const double arrived = arrivedBps(kArrivedUs);
    setBitrate(std::min(bitrateBps_, std::max(arrived, bitrateBps_ * (1 - 0.5 * loss_))));
    probeDueUs_ = std::max(probeDueUs_, nowUs + kProbePauseUs / 2);
  }
}

void BandwidthEstimator::onTime(int64_t nowUs) {
  if (!started() || sentBytes_ == sentBytesReported_ || nowUs - silenceUs_ < kSilenceUs) {
    return;
  }
  silenceUs_ = nowUs;
  // The reports of what is under way may never come.
  sentBytesReported_ = sentBytes_;
  setBitrate(bitrateBps_ / 2);
}

bool BandwidthEstimator::windowFull(int64_t nowUs) const {
  // If nothing more is sent, nothing more is reported either: losses at the end of a burst must not end it
  // all.
  if (!started() || nowUs - feedbackUs_ > kFeedbackIntervalUs + kWindowUs + leastRoundTripUs_) {
    return false;
  }
  const double windowUs =
      static_cast<double>(std::min<int64_t>(leastRoundTripUs_, 500'000) + kFeedbackIntervalUs + kWindowUs);
  const double window = std::max(kMinWindowBytes, bitrateBps_ * windowUs / 8e6);
  return static_cast<double>(sentBytes_ - sentBytesReported_) > window;
}

std::optional<BandwidthEstimator::Probe> BandwidthEstimator::takeProbe(int64_t nowUs) {
  if (!mayProbe(nowUs) || loss_ > kMuchLoss || nowUs - feedbackUs_ > kFeedbackIntervalUs ||
      !delay_.drained()) {
    return std::nullopt;
  }
  // Where the link was full a moment ago, growth tries it with less of a queue than a burst.
  if (nowUs - capacityUs_ < kProbeAnewUs && bitrateBps_ > 0.8 * capacityBps_ &&
      (bitrateBps_ < kBeyondCapacity * capacityBps_ || delay_.queueUs() > delay_.thresholdUs() / 3)) {
    return std::nullopt;
  }
  const double bitrateBps = std::min(kProbeFactor * bitrateBps_, 1.1 * ceilingBps_);
  const int64_t lengthUs = kProbeUs + std::min<int64_t>(4 * delay_.jitterUs(), 30'000);
  probing_ = true;
  probePauseUs_ = std::clamp(probePauseUs_, kProbePauseUs, kMaxProbePauseUs);
  probeDueUs_ = nowUs + probePauseUs_;
  const double bytes =
      std::min(bitrateBps * static_cast<double>(lengthUs), bitrateBps_ * kMaxProbeQueueUs) / 8e6;
  return Probe{bitrateBps, std::max<size_t>(static_cast<size_t>(bytes), kMinProbeBytes)};
}

void BandwidthEstimator::beginBurst(double bitrateBps, int64_t firstSequence) {
  if (!burst_.has_value()) {
    burst_ = Burst{.bitrateBps = bitrateBps, .firstSequence = firstSequence};
  }
}

void BandwidthEstimator::endBurst(int64_t endSequence) {
  if (!inBurst()) {
    return;
  }
  if (endSequence - burst_->firstSequence < static_cast<int64_t>(kMinBurstPackets)) {
    burst_.reset();
    probing_ = false;
    return;
  }
  burst_->endSequence = endSequence;
}

void BandwidthEstimator::judgeBurst(int64_t nowUs) {
  const Burst burst = *burst_;
  const bool wasProbe = probing_;
  burst_.reset();
  probing_ = false;
  if (burst.packets < kMinBurstPackets || burst.lost > burst.packets / 5) {
    if (wasProbe) {
      // Chance losses: another try may get through. Probes that are lost again and again overrun a short
      // queue.
      probeDueUs_ = nowUs + (probePauseUs_ == kProbePauseUs ? kProbeRetryUs : probePauseUs_);
      probePauseUs_ = std::min(probePauseUs_ * 3 / 2, kMaxProbePauseUs);
    }
    return;
  }
  const double bits = (burst.bytes - burst.firstBytes) * 8;
  const int64_t sentSpanUs = burst.lastSentUs - burst.firstSentUs;
  const int64_t arrivalSpanUs = std::max(burst.lastArrivalUs - burst.firstArrivalUs, kMinBurstSpanUs);
  const double arrivedBps = bits * 1e6 / static_cast<double>(arrivalSpanUs);
  const double sentBps = sentSpanUs > kProbeUs / 2
                             ? std::min(burst.bitrateBps, bits * 1e6 / static_cast<double>(sentSpanUs))
                             : burst.bitrateBps;
  const bool passed = arrivedBps >= 0.9 * sentBps;
  // Jitter shortens a burst as often as it lengthens it.
  const double margin = delay_.jitterUs() > kCalmJitterUs ? 0.8 : 0.95;
  const double measuredBps = passed ? margin * sentBps : 0.9 * arrivedBps;
  if (!started()) {
    setBitrate(std::max(measuredBps, kMinBitrateBps));
    if (!passed) {
      capacityBps_ = arrivedBps;
      capacityUs_ = nowUs;
      full_ = true;
    }
    probeDueUs_ = nowUs + (passed ? 0 : kProbePauseUs);
    return;
  }
  // A burst that did not come through measures a share of a link that others may use as well.
  const double beforeBps = bitrateBps_;
  if (measuredBps > (passed ? 1 : kFailedProbeGain) * bitrateBps_ && !delay_.overused()) {
    setBitrate(std::min(measuredBps, std::max(bitrateBps_, 1.1 * ceilingBps_)));
    full_ = !passed;
    if (!passed) {
      capacityBps_ = arrivedBps;
      capacityUs_ = nowUs;
    }
  }
  if (wasProbe) {
    probePauseUs_ = passed ? kProbePauseUs : std::min(probePauseUs_ * 3 / 2, kMaxProbePauseUs);
    // As long as the estimate doubles the next one follows at once.
    probeDueUs_ = nowUs + (passed && bitrateBps_ > 1.2 * beforeBps ? 0 : probePauseUs_);
  }
}

}  // namespace streamkit
