#pragma once

#include <cstdint>

namespace streamkit {

/** How often a thread writes figures that cost a system call, such as its CPU time. */
class PublishInterval {
 public:
  static constexpr int64_t kUs = 10'000;

  /** Begins anew if it is over. @param isLast the thread ends: now or never */
  bool isOver(int64_t nowUs, bool isLast) {
    if (nowUs - publishedUs_ < kUs && !isLast) {
      return false;
    }
    publishedUs_ = nowUs;
    return true;
  }

 private:
  int64_t publishedUs_ = 0;
};

}  // namespace streamkit
