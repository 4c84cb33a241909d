#pragma once

#include <algorithm>
#include <cstddef>

namespace streamkit {

/**
 * What one viewer may be sent again: a share of what it is sent, so that a link that loses packets because it
 * is too slow does not get more of them. It saves up at most that share of one second.
 */
class ResendBudget {
 public:
  static constexpr double kShare = 0.25;
  /** Also for a viewer that has been sent little: the first keyframe's losses can be repaired. */
  static constexpr double kMinCapacityBytes = 16 * 1024;

  void setBitrate(double bitrateBps) {
    capacityBytes_ = std::max(kMinCapacityBytes, bitrateBps / 8 * kShare);
    bytes_ = std::min(bytes_, capacityBytes_);
  }
  /** @param bytes of what is sent for the first time */
  void sent(size_t bytes) { bytes_ = std::min(capacityBytes_, bytes_ + static_cast<double>(bytes) * kShare); }
  bool allows() const { return bytes_ > 0; }
  /** Repair packets leave to retransmissions half of what a viewer begins with. */
  bool allowsRepairs() const { return bytes_ > kMinCapacityBytes / 2; }
  /** Second copies leave something to repair packets, too: where much is lost, those are of more use. */
  bool allowsRepeats() const { return bytes_ > kMinCapacityBytes * 3 / 4; }
  /** So much is saved up that what repair packets and first copies take of it does not use it up. */
  bool hasSpare() const { return bytes_ > capacityBytes_ * 3 / 4; }
  void resent(size_t bytes) { bytes_ -= static_cast<double>(bytes); }

 private:
  double capacityBytes_ = kMinCapacityBytes;
  double bytes_ = kMinCapacityBytes;
};

}  // namespace streamkit
