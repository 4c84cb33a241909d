#pragma once

#include <cstddef>
#include <cstdint>

namespace streamkit {

/**
 * How long sound may wait for the next picture of the same viewer, with which it costs no call of its own:
 * the longer the more viewers the thread serves.
 */
struct SoundWait {
  /** For few viewers. */
  static constexpr int64_t kLeastUs = 10'000;
  static constexpr size_t kCrowd = 64;
  static constexpr int64_t kCrowdUs = 20'000;
  static constexpr size_t kLargeCrowd = 300;
  /** The interval of 30 pictures per second, so that none of theirs goes alone. */
  static constexpr int64_t kMostUs = 34'000;

  static constexpr int64_t us(size_t viewers) {
    return viewers < kCrowd ? kLeastUs : viewers < kLargeCrowd ? kCrowdUs : kMostUs;
  }
};

}  // namespace streamkit
