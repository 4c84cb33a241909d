#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "prefetch.h"

namespace streamkit {

/** When and how large the last packets under transport-wide sequence numbers were, until feedback has told of
 * them. */
class SentPacketLog {
 public:
  /** Some 4 s at 8 Mbit/s. A power of two. */
  static constexpr size_t kPackets = 4096;

  struct Sent {
    int64_t sentUs;
    uint16_t bytes;
    /** It was reported lost before. */
    bool wasLost;
  };

  void add(uint16_t sequenceNumber, size_t bytes, int64_t nowUs) {
    entries_[sequenceNumber % kPackets] = {static_cast<uint32_t>(nowUs), sequenceNumber,
                                           static_cast<uint16_t>(bytes | kSent)};
  }

  /** Loads the entries from there on into the cache: for an ordinary burst, or ordinary feedback. */
  void prefetch(uint16_t sequenceNumber) const {
    prefetchLines(&entries_[sequenceNumber % kPackets], 4 * kCacheLineBytes);
  }

  /**
   * What is told of for the first time; nothing for a packet that never was, is told of already, or too old.
   * One that was told lost may still be told received.
   */
  std::optional<Sent> report(uint16_t sequenceNumber, bool received, int64_t nowUs) {
    Entry& entry = entries_[sequenceNumber % kPackets];
    const uint16_t state = entry.state & kStates;
    if (entry.sequenceNumber != sequenceNumber || state == 0 || (state == kToldLost && !received)) {
      return std::nullopt;
    }
    const uint16_t bytes = entry.state & static_cast<uint16_t>(~kStates);
    entry.state = received ? 0 : static_cast<uint16_t>(bytes | kToldLost);
    // The lower half of the time is kept; it goes round once in 71 minutes.
    const uint32_t ageUs = static_cast<uint32_t>(nowUs) - entry.sentUs;
    return Sent{nowUs - ageUs, bytes, state == kToldLost};
  }

 private:
  static constexpr uint16_t kSent = 0x8000;
  static constexpr uint16_t kToldLost = 0x4000;
  static constexpr uint16_t kStates = kSent | kToldLost;

  struct Entry {
    uint32_t sentUs = 0;
    uint16_t sequenceNumber = 0;
    /** Bytes of the packet, and what is known of it in the upper two bits. */
    uint16_t state = 0;
  };

  std::array<Entry, kPackets> entries_{};
};

}  // namespace streamkit
