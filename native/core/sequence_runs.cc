#include "sequence_runs.h"

#include "sequence_number.h"

namespace streamkit {

void SequenceRuns::beginRun(int64_t packet, int64_t oldestPacket) {
  runs_.push_back({sent_, packet});
  offset_ = packet - sent_;
  forget(oldestPacket);
}

std::optional<int64_t> SequenceRuns::packetOf(uint16_t sequenceNumber) const {
  const int64_t sent = unwrapSequence(sequenceNumber, sent_);
  if (sent >= sent_ || sent < first_) {
    return std::nullopt;
  }
  for (size_t i = runs_.size(); i > 0; i -= 1) {
    const Run& run = runs_[i - 1];
    if (run.firstSent <= sent) {
      return run.firstPacket + sent - run.firstSent;
    }
  }
  return std::nullopt;
}

void SequenceRuns::forget(int64_t oldestPacket) {
  size_t dead = runs_.size() > kMaxRuns ? runs_.size() - kMaxRuns : 0;
  // A GOP replay goes back in the source's packets, so what follows a run may begin before it: a run is dead
  // only where its own last packet is.
  while (dead + 1 < runs_.size()) {
    const Run& run = runs_[dead];
    const int64_t endPacket = run.firstPacket + runs_[dead + 1].firstSent - run.firstSent;
    if (endPacket > oldestPacket) {
      break;
    }
    dead += 1;
  }
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(dead));
}

}  // namespace streamkit
