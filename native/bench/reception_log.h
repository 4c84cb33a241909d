#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

struct ReceptionCounts {
  uint64_t received = 0;
  uint64_t bytes = 0;
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  /** Lost ones that came again over RTX. */
  uint64_t recovered = 0;
};

/** What arrived of one SSRC, by sequence numbers (RFC 3550 appendix A.1 and A.3). */
class ReceptionLog {
 public:
  /** @return the roll-over count that the packet belongs to (RFC 3711 section 3.3.1). */
  uint32_t note(uint16_t sequence, size_t bytes);
  /** A lost packet came over RTX after all. */
  void noteRecovered(uint16_t sequence);

  /** Counts since the last call of {@link restart}; what is not in by now is lost. */
  ReceptionCounts counts() const;
  void restart();

  /** Sequence numbers found missing since the last call, oldest first; at most a few hundred. */
  std::vector<uint16_t> takeMissing();

  bool started() const { return started_; }
  /** Extended highest sequence number. */
  uint64_t highest() const { return highest_; }
  /** For a report block, over all time. */
  uint64_t lostEver() const;
  /** Fraction lost since the last call, in 1/256 (RFC 3550 section 6.4.1). */
  uint8_t takeFractionLost();

 private:
  static constexpr size_t kWindow = 4096;
  static constexpr size_t kMaxMissing = 256;

  bool started_ = false;
  /** Starts at 2^16, so that a packet from before the first one has a number too. */
  uint64_t highest_ = 0;
  uint64_t first_ = 0;
  uint64_t uniqueEver_ = 0;
  std::bitset<kWindow> seen_;
  std::vector<uint16_t> missing_;
  uint64_t baseHighest_ = 0;
  uint64_t baseUnique_ = 0;
  uint64_t reportedHighest_ = 0;
  uint64_t reportedUnique_ = 0;
  ReceptionCounts counts_;
};

}  // namespace bench
