#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

namespace streamkit {

/**
 * Coalesces the keyframe requests of all viewers of one source. The first goes out at once, then at most one
 * an interval: a request during the interval goes out at its end, unless a keyframe has passed in between.
 * While there is no time to send all frames to all viewers the interval grows, for a keyframe costs several
 * frames' time. All shards of a core share one per source, from their own threads; each call takes effect as
 * a whole.
 */
class KeyframeRequestPolicy {
 public:
  /** Congestion counts as over when there has been none for this long. */
  static constexpr int64_t kQuietUs = 2'000'000;
  /** And the interval is the ordinary one again after this long: those who come back need keyframes too. */
  static constexpr int64_t kRelaxUs = 10'000'000;

  explicit KeyframeRequestPolicy(int64_t intervalMinUs) : intervalMinUs_(intervalMinUs) {}

  /** @returns whether the request is to go out now */
  bool request(int64_t nowUs) {
    const std::lock_guard lock(mutex_);
    if (nowUs < notBeforeUs_) {
      pending_ = true;
      return false;
    }
    pending_ = false;
    if (nowUs - congestedAtUs_ >= kRelaxUs) {
      level_ = 0;
    }
    notBeforeUs_ = nowUs + std::max(intervalMinUs_, kIntervalsUs[level_]);
    return true;
  }

  /**
   * A keyframe is being sent: whoever has asked for one until now has it. The shards send the same one at
   * slightly different times; the first counts, for a request may have come after it.
   * @param ordinal EncodedFrame::ordinal
   */
  void keyframePassed(int64_t ordinal) {
    const std::lock_guard lock(mutex_);
    if (ordinal > lastKeyframe_) {
      lastKeyframe_ = ordinal;
      pending_ = false;
    }
  }

  /** Frames are dropped because there is no time to send them. */
  void congestion(int64_t nowUs) {
    const std::lock_guard lock(mutex_);
    if (nowUs - congestedAtUs_ >= kRelaxUs) {
      level_ = 1;
      raisedAtUs_ = nowUs;
    } else if (nowUs - raisedAtUs_ >= kIntervalsUs[level_]) {
      level_ = std::min(level_ + 1, kIntervalsUs.size() - 1);
      raisedAtUs_ = nowUs;
    }
    congestedAtUs_ = nowUs;
  }
  bool congested(int64_t nowUs) const { return nowUs < quietAtUs(); }
  /** When congestion is over, if there is no more of it. */
  int64_t quietAtUs() const {
    const std::lock_guard lock(mutex_);
    return congestedAtUs_ + kQuietUs;
  }

  /** When the request that waits is to be made again. */
  std::optional<int64_t> dueUs() const {
    const std::lock_guard lock(mutex_);
    return pending_ ? std::optional(notBeforeUs_) : std::nullopt;
  }

 private:
  /** Least intervals: of ordinary times, when congestion begins, and when it goes on for that long. */
  static constexpr std::array<int64_t, 3> kIntervalsUs{0, 1'000'000, 2'000'000};

  const int64_t intervalMinUs_;
  mutable std::mutex mutex_;
  int64_t lastKeyframe_ = 0;
  int64_t notBeforeUs_ = INT64_MIN;
  bool pending_ = false;
  int64_t congestedAtUs_ = INT64_MIN / 2;
  int64_t raisedAtUs_ = 0;
  size_t level_ = 0;
};

}  // namespace streamkit
