#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace streamkit {

class Consumer;

/**
 * Retransmissions that one viewer waits for: those of the newest frame come first, and of one frame the first
 * packet. When it is full, the oldest entry makes room: the viewer asks again if it still wants it.
 */
class ResendQueue {
 public:
  static constexpr size_t kMaxPackets = 512;

  struct Entry {
    Consumer* consumer;
    /** When the packet's frame came from its source. */
    int64_t frameUs;
    /** Full count of the packet in its source. */
    int64_t packet;
    uint16_t sequenceNumber;
  };

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  void push(const Entry& entry) {
    const auto place = std::lower_bound(entries_.begin(), entries_.end(), entry, comesLater);
    if (entries_.size() < kMaxPackets) {
      entries_.insert(place, entry);
    } else if (place != entries_.begin()) {
      std::move(entries_.begin() + 1, place, entries_.begin());
      *(place - 1) = entry;
    }
  }
  Entry pop() {
    const Entry entry = entries_.back();
    entries_.pop_back();
    return entry;
  }
  void clear() { entries_.clear(); }
  void forget(const Consumer* consumer) {
    std::erase_if(entries_, [consumer](const Entry& entry) { return entry.consumer == consumer; });
  }

 private:
  static bool comesLater(const Entry& left, const Entry& right) {
    return left.frameUs != right.frameUs ? left.frameUs < right.frameUs : left.packet > right.packet;
  }

  /** What comes first is at the end. */
  std::vector<Entry> entries_;
};

}  // namespace streamkit
