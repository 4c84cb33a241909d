#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace streamkit {

class Consumer;

/**
 * Retransmissions that are sent a second time a moment later, because a viewer that loses many packets loses
 * those as well and would ask again only a round trip later. Bounded: what comes while it is full is sent
 * once.
 */
class RepeatQueue {
 public:
  static constexpr size_t kMaxPackets = 64;
  /** Long enough for most bursts of losses to be over. */
  static constexpr int64_t kDelayUs = 10'000;

  struct Entry {
    Consumer* consumer;
    uint16_t sequenceNumber;
    int64_t dueUs;
  };

  bool empty() const { return count_ == 0; }
  int64_t nextDueUs() const { return (*entries_)[first_].dueUs; }
  void push(Consumer* consumer, uint16_t sequenceNumber, int64_t nowUs) {
    if (entries_ == nullptr) {
      entries_ = std::make_unique<Entries>();
    }
    if (count_ < kMaxPackets) {
      (*entries_)[(first_ + count_) % kMaxPackets] = {consumer, sequenceNumber, nowUs + kDelayUs};
      count_ += 1;
    }
  }
  Entry pop() {
    const Entry entry = (*entries_)[first_];
    first_ = (first_ + 1) % kMaxPackets;
    count_ -= 1;
    return entry;
  }
  void clear() { count_ = 0; }
  void forget(const Consumer* consumer) {
    for (size_t left = count_; left > 0; left -= 1) {
      const Entry entry = pop();
      if (entry.consumer != consumer) {
        (*entries_)[(first_ + count_) % kMaxPackets] = entry;
        count_ += 1;
      }
    }
  }

 private:
  using Entries = std::array<Entry, kMaxPackets>;

  /** Only of viewers that lose many packets. */
  std::unique_ptr<Entries> entries_;
  size_t first_ = 0;
  size_t count_ = 0;
};

}  // namespace streamkit
