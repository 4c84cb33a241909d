#pragma once

#include <algorithm>
#include <cstdint>

namespace streamkit {

/**
 * Spreads one viewer's bursts: a bucket that fills with what is sent and leaks at 2.5 times the target
 * bitrate. A burst of at most kBurstPackets goes out when the bucket is empty, so a keyframe leaves in bursts
 * a few ms apart and does not overrun a shallow queue on the way; a frame of ordinary size goes out whole,
 * for delay.
 */
class Pacer {
 public:
  /** How much faster than the target: what it falls behind by a keyframe must be caught up before the next
   * one. */
  static constexpr double kRateFactor = 2.5;
  /** What goes out without a pause of what is to be spread. */
  static constexpr size_t kBurstPackets = 16;
  /** Bursts end on this grid, so that one wake of the thread serves many viewers. */
  static constexpr int64_t kGridUs = 1000;
  /** An ordinary frame need not wait for this much of what went before. */
  static constexpr double kRushMaxUs = 15'000;

  explicit Pacer(double targetBitrateBps) { setTargetBitrate(targetBitrateBps); }

  void setTargetBitrate(double bitrateBps) {
    bytesPerUs_ = std::max(bitrateBps, kMinBitrateBps) * kRateFactor / 8 / 1'000'000;
  }

  /** Lets through exactly so much. */
  void setBitrate(double bitrateBps) { bytesPerUs_ = std::max(bitrateBps, kMinBitrateBps) / 8 / 1'000'000; }
  /** What it lets through, bit/s. */
  double bitrateBps() const { return bytesPerUs_ * 8 * 1'000'000; }
  bool mayBurst(int64_t nowUs) { return leakedLevel(nowUs) <= 0; }
  bool mayRush(int64_t nowUs) { return leakedLevel(nowUs) <= kRushMaxUs * bytesPerUs_; }
  /** @param weight below 1 for what is to go faster than the rate */
  void sent(size_t bytes, int64_t nowUs, double weight = 1) {
    level_ = leakedLevel(nowUs) + static_cast<double>(bytes) * weight;
  }
  /**
   * Sound, which does not wait for its turn: it takes no more than half of the rate from what does, so that a
   * link which is full of sound still carries a picture now and then.
   */
  void soundSent(size_t bytes, int64_t nowUs) {
    const double share = static_cast<double>(std::max<int64_t>(0, nowUs - soundAtUs_)) * bytesPerUs_ / 2;
    soundAtUs_ = std::max(soundAtUs_, nowUs);
    level_ = leakedLevel(nowUs) + std::min(static_cast<double>(bytes), share);
  }
  /** When the next burst may go out. */
  int64_t dueUs(int64_t nowUs) {
    const int64_t waitUs = static_cast<int64_t>(leakedLevel(nowUs) / bytesPerUs_) + 1;
    return (nowUs + waitUs + kGridUs - 1) / kGridUs * kGridUs;
  }

 private:
  static constexpr double kMinBitrateBps = 64'000;

  double leakedLevel(int64_t nowUs) {
    level_ =
        std::max(0.0, level_ - static_cast<double>(std::max<int64_t>(0, nowUs - levelAtUs_)) * bytesPerUs_);
    levelAtUs_ = std::max(levelAtUs_, nowUs);
    return level_;
  }

  double bytesPerUs_ = 0;
  double level_ = 0;
  int64_t levelAtUs_ = 0;
  int64_t soundAtUs_ = 0;
};

}  // namespace streamkit
