#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace streamkit {

/**
 * How long packets wait in queues on the way to one viewer, by the one-way delays of groups of packets that
 * were sent within 5 ms. Only differences of delays mean anything, for the two clocks differ.
 *
 * Jitter is told from a queue by minima: of some groups in a row at least one is hardly delayed by jitter,
 * but all are by a queue that stands.
 */
class QueueDelay {
 public:
  /** @param sentUs, arrivalUs on clocks of their own */
  void onPacket(int64_t sentUs, int64_t arrivalUs, size_t bytes);
  /** What has been reported is to be judged; `queueUs` and what follows are of now. */
  void judge();

  /** Least delay of the last kStandingUs above the least of the last seconds. */
  int64_t queueUs() const { return queueUs_; }
  /** Least delay of the last few groups: a queue that grows fast shows here first. */
  int64_t recentUs() const { return recentUs_; }
  /** Mean difference between neighbouring groups. */
  int64_t jitterUs() const { return static_cast<int64_t>(jitterUs_); }
  /** µs of delay per second, by linear regression over the last groups. */
  double slope() const { return slope_; }
  /** The slope is more than noise. */
  bool rises() const { return rises_; }
  bool overused() const { return overused_; }
  /** The queue has grown so fast that what arrived just now tells the link's rate. */
  bool severe() const { return severe_; }
  /**
   * What arrived per second since the queue was empty last, for at most half a second: as long as packets
   * wait, the link passes on what it can carry. 0: too few to tell.
   */
  double busyBps() const { return busyBps_; }
  bool drained() const { return queueUs_ < thresholdUs() * 3 / 4; }
  int64_t thresholdUs() const { return ownThresholdUs() + toleratedUs_; }
  /** What the viewer is sent, for its own packets must wait for each other. */
  void setBitrate(double bitrateBps) { bitrateBps_ = bitrateBps; }
  /** A queue that others keep up is to be put up with: lowering the rate does not shorten it. */
  void tolerate(int64_t queueUs);
  int64_t toleratedUs() const { return toleratedUs_; }

 private:
  static constexpr int64_t kGroupUs = 5'000;
  static constexpr int64_t kStandingUs = 200'000;
  static constexpr int64_t kBaseBucketUs = 2'000'000;
  static constexpr size_t kBaseBuckets = 8;
  static constexpr size_t kGroups = 64;
  /** A delay that differs by more than this from the one before is a step of a clock. */
  static constexpr int64_t kClockStepUs = 5'000'000;

  struct Group {
    int64_t sentUs;
    int64_t delayUs;
    int64_t arrivalUs;
    size_t bytes;
  };

  void closeGroup();
  void judgeBusy(int64_t baseUs);
  int64_t ownThresholdUs() const;
  void reset();
  const Group& group(size_t back) const { return groups_[(count_ - 1 - back) % kGroups]; }
  size_t kept() const { return count_ < kGroups ? count_ : kGroups; }

  bool open_ = false;
  Group current_{};
  std::array<Group, kGroups> groups_{};
  size_t count_ = 0;
  std::array<int64_t, kBaseBuckets> base_{};
  int64_t baseBucket_ = INT64_MIN;
  double jitterUs_ = 0;
  double bitrateBps_ = 0;
  int64_t toleratedUs_ = 0;
  /** When a queue was seen last, on our clock. */
  int64_t queuedUs_ = INT64_MIN / 2;

  int64_t queueUs_ = 0;
  int64_t recentUs_ = 0;
  double slope_ = 0;
  double busyBps_ = 0;
  bool rises_ = false;
  bool overused_ = false;
  bool severe_ = false;
};

}  // namespace streamkit
