#pragma once

#include <cstdint>

namespace streamkit {

/** Which indices have been received (RFC 3711 section 3.3.2): the newest and the 63 below it; older ones
 * count as seen. */
class ReplayWindow {
 public:
  static constexpr uint64_t kBits = 64;

  bool seen(uint64_t index) const {
    if (empty_ || index > newest_) {
      return false;
    }
    const uint64_t age = newest_ - index;
    return age >= kBits || (received_ >> age & 1) != 0;
  }

  /** To be called for authentic packets only. */
  void accept(uint64_t index) {
    if (empty_ || index > newest_) {
      const uint64_t step = empty_ ? kBits : index - newest_;
      received_ = step >= kBits ? 1 : received_ << step | 1;
      newest_ = index;
      empty_ = false;
    } else if (newest_ - index < kBits) {
      received_ |= uint64_t{1} << (newest_ - index);
    }
  }

 private:
  uint64_t newest_ = 0;
  uint64_t received_ = 0;
  bool empty_ = true;
};

}  // namespace streamkit
