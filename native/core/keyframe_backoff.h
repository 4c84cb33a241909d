#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace streamkit {

/**
 * Spaces the keyframe requests of one viewer: a keyframe costs every viewer of the source, so one with a bad
 * link may ask again only 1, 2 and then every 4 s after its last request. A media server, which asks on
 * behalf of many, may ask every second. A request that comes too early is remembered until then, unless the
 * viewer is sent a keyframe meanwhile.
 */
class KeyframeBackoff {
 public:
  /** A viewer that has asked for nothing for this long begins at the shortest interval again. */
  static constexpr int64_t kRelaxUs = 5'000'000;

  explicit KeyframeBackoff(bool asksForMany) : maxLevel_(asksForMany ? 0 : kIntervalsUs.size() - 1) {}

  /** @returns whether the request may go out now */
  bool request(int64_t nowUs) {
    if (nowUs < notBeforeUs_) {
      pending_ = true;
      return false;
    }
    pending_ = false;
    if (nowUs - requestedUs_ >= kRelaxUs) {
      level_ = 0;
    }
    requestedUs_ = nowUs;
    notBeforeUs_ = nowUs + kIntervalsUs[level_];
    level_ = std::min(level_ + 1, maxLevel_);
    return true;
  }

  /** The viewer is sent a keyframe: what it asked for until now is answered. */
  void keyframeSent() { pending_ = false; }

  /** When the request that waits may go out. */
  std::optional<int64_t> dueUs() const { return pending_ ? std::optional(notBeforeUs_) : std::nullopt; }

 private:
  static constexpr std::array<int64_t, 3> kIntervalsUs{1'000'000, 2'000'000, 4'000'000};

  size_t maxLevel_;
  bool pending_ = false;
  int64_t notBeforeUs_ = INT64_MIN;
  int64_t requestedUs_ = INT64_MIN / 2;
  size_t level_ = 0;
};

}  // namespace streamkit
