#pragma once

#include <cstddef>
#include <cstdint>

namespace streamkit {

/** How long sound may wait for the next picture of the same viewer, with which it costs no call of its own.
 */
struct SoundWait {
  /** For few viewers. */
  static constexpr int64_t kLeastUs = 10'000;
  /** Viewers of a thread to whom lone packets are a third of all calls. */
  static constexpr size_t kCrowd = 64;
  /** The interval of 30 pictures per second, so that none of theirs goes alone. */
  static constexpr int64_t kMostUs = 34'000;

  static constexpr int64_t us(size_t viewers) { return viewers < kCrowd ? kLeastUs : kMostUs; }
};

}  // namespace streamkit
