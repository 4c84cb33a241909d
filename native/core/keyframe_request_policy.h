#pragma once

#include <cstdint>
#include <optional>

namespace streamkit {

/**
 * Coalesces the keyframe requests of all viewers of one source. The first goes out at once, then at most one
 * an interval: a request during the interval goes out at its end, unless a keyframe has passed in between.
 */
class KeyframeRequestPolicy {
 public:
  explicit KeyframeRequestPolicy(int64_t intervalMinUs) : intervalMinUs_(intervalMinUs) {}

  /** @returns whether the request is to go out now */
  bool request(int64_t nowUs) {
    if (nowUs < notBeforeUs_) {
      pending_ = true;
      return false;
    }
    pending_ = false;
    notBeforeUs_ = nowUs + intervalMinUs_;
    return true;
  }

  /** A keyframe is being sent: whoever has asked for one until now has it. */
  void keyframePassed() { pending_ = false; }

  /** When the request that waits is to be made again. */
  std::optional<int64_t> dueUs() const { return pending_ ? std::optional(notBeforeUs_) : std::nullopt; }

 private:
  int64_t intervalMinUs_;
  int64_t notBeforeUs_ = INT64_MIN;
  bool pending_ = false;
};

}  // namespace streamkit
