#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace streamkit {

class Consumer;

/** Retransmissions that one viewer waits for, oldest first. Full, it takes no more: the viewer asks again. */
class ResendQueue {
 public:
  static constexpr size_t kMaxPackets = 512;

  struct Entry {
    Consumer* consumer;
    uint16_t sequenceNumber;
  };

  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == kMaxPackets; }
  void push(Entry entry) {
    if (!full()) {
      entries_[(head_ + size_) % kMaxPackets] = entry;
      size_ += 1;
    }
  }
  Entry pop() {
    const Entry entry = entries_[head_];
    head_ = (head_ + 1) % kMaxPackets;
    size_ -= 1;
    return entry;
  }
  void forget(const Consumer* consumer) {
    for (size_t i = size_; i > 0; i -= 1) {
      const Entry entry = pop();
      if (entry.consumer != consumer) {
        push(entry);
      }
    }
  }

 private:
  std::array<Entry, kMaxPackets> entries_;
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace streamkit
