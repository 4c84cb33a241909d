#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace streamkit {

/**
 * Maps one viewer's sequence numbers to the packets of the source. The viewer's numbers have no gap although
 * it is not sent every frame, so the mapping is a constant offset over runs of frames, and only the start of
 * a run is kept.
 */
class SequenceRuns {
 public:
  /** @param first full count of the first packet that will be sent */
  explicit SequenceRuns(int64_t first) : first_(first), sent_(first) {}

  /**
   * Full count of the packet that comes next: the sequence number is its lower 16 bits, the roll-over counter
   * what is above.
   */
  int64_t next() const { return sent_; }

  /**
   * `packet` of the source went out under `next()`.
   * @param oldestPacket runs that end before it are forgotten
   */
  void sent(int64_t packet, int64_t oldestPacket) {
    if (packet - sent_ != offset_ || runs_.empty()) {
      beginRun(packet, oldestPacket);
    }
    sent_ += 1;
  }

  /** What went out under `next()` is no packet of the source, and must not be looked up. */
  void sentOnce() { sent_ += 1; }

  /** The packet of the source that went out under `sequenceNumber`; nothing where none did, or too long ago.
   */
  std::optional<int64_t> packetOf(uint16_t sequenceNumber) const;

  /** Runs kept: a viewer whose frames are dropped again and again must not make it grow. */
  static constexpr size_t kMaxRuns = 256;

 private:
  struct Run {
    int64_t firstSent;
    int64_t firstPacket;
  };

  void beginRun(int64_t packet, int64_t oldestPacket);
  void forget(int64_t oldestPacket);

  int64_t first_;
  int64_t sent_;
  /** Of the last run: its packets less their counts. Here, so that a packet of it touches nothing else. */
  int64_t offset_ = 0;
  std::vector<Run> runs_;
};

}  // namespace streamkit
