#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "queue_delay.h"

namespace streamkit {

/** What a viewer's feedback says of one packet that was sent to it. */
struct PacketReport {
  int64_t sentUs = 0;
  /** On the viewer's clock. */
  int64_t arrivalUs = 0;
  uint16_t bytes = 0;
  bool received = false;
  /** It was reported lost before and has arrived after all. */
  bool wasLost = false;
};

/**
 * What one viewer's link can carry, from its transport-wide feedback.
 *
 * The queue on the way is the delay of late packets above the least delay of the last seconds (see
 * QueueDelay), so jitter that comes and goes does not count as a queue. A queue that stands or grows means
 * that the link is full: the estimate falls to what arrived, and below it until the queue is gone. Without a
 * queue the estimate grows, slowly near the rate at which the link was full last, and only if it is used.
 * Probes (bursts of padding at two and four times the estimate) find out what an unused or recovered link can
 * carry. Losses lower the estimate if there are more of them than the link always has.
 *
 * Allocates nothing. Rates are of whole datagrams without IP and UDP headers. A viewer that lies is sent
 * less, or at most kMaxBitrateBps.
 */
class BandwidthEstimator {
 public:
  static constexpr double kMinBitrateBps = 100'000;
  static constexpr double kMaxBitrateBps = 1e9;
  /** Without feedback for this long the estimate is halved, again and again. */
  static constexpr int64_t kSilenceUs = 1'000'000;

  /** Bursts at a known rate, by which the link is measured. */
  struct Probe {
    double bitrateBps;
    size_t bytes;
  };

  /** Packets have been reported on, and there is an estimate. */
  bool started() const { return bitrateBps_ > 0; }
  /** 0 before `started`. */
  double bitrateBps() const { return bitrateBps_; }
  /** What the pacer may let through. */
  double pacingBps() const { return bitrateBps_ * (full_ ? kFullPacing : kFreePacing); }
  /** The queue on the way, µs. */
  int64_t queueUs() const { return delay_.queueUs(); }
  /** Share of packets lost lately, 0 to 1. */
  double lossShare() const { return loss_; }
  /** What arrived lately, bit/s. */
  double usedBps() const;
  /** The estimate is not raised beyond this by probes: nobody would use more. */
  void setCeiling(double bitrateBps) { ceilingBps_ = bitrateBps; }

  void onSent(size_t bytes, int64_t nowUs);
  /** Reports on one packet, in the order of the feedback. @param transportSequence its full count */
  void onReport(int64_t transportSequence, const PacketReport& report);
  /** A packet is taken for received whose feedback was lost. @param arrivalUs of the next one */
  void onUnreported(int64_t arrivalUs, size_t bytes);
  /** The feedback is read. @param roundTripUs of its newest packet */
  void onFeedbackEnd(int64_t nowUs, int64_t roundTripUs);
  /** To be called before sending, for the times without feedback. */
  void onTime(int64_t nowUs);

  /** So much is under way, or in queues, that more would only wait. */
  bool windowFull(int64_t nowUs) const;

  /** There may be a probe to be taken: a cheap check before takeProbe. */
  bool mayProbe(int64_t nowUs) const {
    return started() && nowUs >= probeDueUs_ && !burst_.has_value() && !draining_ &&
           bitrateBps_ < ceilingBps_;
  }
  /** A probe that is to be sent now; it counts as begun. */
  std::optional<Probe> takeProbe(int64_t nowUs);
  /** What is sent from now on belongs to a burst at this rate. */
  void beginBurst(double bitrateBps, int64_t firstSequence);
  void endBurst(int64_t endSequence);
  bool inBurst() const { return burst_.has_value() && burst_->endSequence < 0; }

 private:
  static constexpr double kFullPacing = 1.1;
  static constexpr double kFreePacing = 1.25;
  static constexpr int64_t kBucketUs = 25'000;
  static constexpr size_t kBuckets = 32;
  static constexpr size_t kLossWindows = 6;

  struct Burst {
    double bitrateBps;
    int64_t firstSequence;
    int64_t endSequence = -1;
    size_t packets = 0;
    size_t lost = 0;
    double bytes = 0;
    double firstBytes = 0;
    int64_t firstSentUs = 0;
    int64_t lastSentUs = 0;
    int64_t firstArrivalUs = 0;
    int64_t lastArrivalUs = 0;
  };

  double arrivedBps(int64_t windowUs) const;
  void addArrival(int64_t arrivalUs, size_t bytes);
  void judgeBurst(int64_t nowUs);
  void judgeLoss(int64_t nowUs);
  void decrease(double capacityBps, int64_t nowUs);
  void increase(int64_t nowUs);
  void setBitrate(double bitrateBps);

  // What is looked at for each burst comes first, in as few cache lines as can be.
  double bitrateBps_ = 0;
  double ceilingBps_ = 10'000'000;
  uint64_t sentBytes_ = 0;
  uint64_t sentBytesReported_ = 0;
  int64_t silenceUs_ = 0;
  int64_t feedbackUs_ = INT64_MIN / 2;
  int64_t leastRoundTripUs_ = INT64_MAX;
  int64_t probeDueUs_ = 0;
  bool full_ = false;
  bool draining_ = false;
  bool probing_ = false;
  bool arrived_ = false;
  double loss_ = 0;
  std::optional<Burst> burst_;

  /** What arrived when the link was full last. */
  double capacityBps_ = 0;
  int64_t capacityUs_ = INT64_MIN / 2;
  int64_t decreasedUs_ = INT64_MIN / 2;
  int64_t queueAtDecreaseUs_ = 0;
  int stuck_ = 0;
  int overuses_ = 0;
  int64_t newestSentUs_ = 0;
  int64_t increasedUs_ = INT64_MIN / 2;

  std::array<uint32_t, kBuckets> arrivedBytes_{};
  int64_t newestBucket_ = 0;
  int64_t firstArrivalUs_ = 0;
  int64_t newestArrivalUs_ = 0;
  int64_t resumedUs_ = 0;

  int64_t newestReported_ = -1;
  int64_t roundTripUs_ = 100'000;

  size_t windowPackets_ = 0;
  size_t windowLost_ = 0;
  int64_t windowStartUs_ = 0;
  std::array<double, kLossWindows> lossWindows_{};
  size_t lossWindow_ = 0;

  int64_t probePauseUs_ = 0;
  QueueDelay delay_;
};

}  // namespace streamkit
