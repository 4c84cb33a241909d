#include "reception_log.h"

#include <algorithm>

namespace bench {

namespace {
constexpr uint64_t kCycle = 1 << 16;
}

uint32_t ReceptionLog::note(uint16_t sequence, size_t bytes) {
  counts_.received += 1;
  counts_.bytes += bytes;
  if (!started_) {
    started_ = true;
    highest_ = first_ = kCycle + sequence;
    baseHighest_ = reportedHighest_ = highest_ - 1;
    uniqueEver_ = 1;
    seen_.set(highest_ % kWindow);
    return 0;
  }
  const auto ahead = static_cast<int16_t>(sequence - static_cast<uint16_t>(highest_));
  const uint64_t number = highest_ + static_cast<uint64_t>(static_cast<int64_t>(ahead));
  if (ahead > 0) {
    for (uint64_t next = highest_ + 1; next <= number; next++) {
      seen_.reset(next % kWindow);
      if (next < number && missing_.size() < kMaxMissing)
        missing_.push_back(static_cast<uint16_t>(next));
    }
    highest_ = number;
  } else {
    const bool known = highest_ - number >= kWindow || seen_.test(number % kWindow);
    if (known) {
      counts_.duplicated += 1;
      return static_cast<uint32_t>(number / kCycle - 1);
    }
    counts_.reordered += 1;
  }
  seen_.set(number % kWindow);
  uniqueEver_ += 1;
  return static_cast<uint32_t>(number / kCycle - 1);
}

void ReceptionLog::noteRecovered(uint16_t sequence) {
  const auto behind = static_cast<uint16_t>(static_cast<uint16_t>(highest_) - sequence);
  if (!started_ || behind >= kWindow)
    return;
  const uint64_t number = highest_ - behind;
  if (seen_.test(number % kWindow))
    return;
  seen_.set(number % kWindow);
  uniqueEver_ += 1;
  counts_.recovered += 1;
}

ReceptionCounts ReceptionLog::counts() const {
  ReceptionCounts counts = counts_;
  const uint64_t expected = highest_ - baseHighest_;
  const uint64_t unique = uniqueEver_ - baseUnique_;
  // What came late of before the restart may make up for a packet too many.
  counts.lost = expected > unique ? expected - unique : 0;
  counts.lost += counts.recovered;
  return counts;
}

void ReceptionLog::restart() {
  counts_ = {};
  baseHighest_ = highest_;
  baseUnique_ = uniqueEver_;
}

std::vector<uint16_t> ReceptionLog::takeMissing() {
  std::vector<uint16_t> missing;
  for (const uint16_t sequence : missing_) {
    const auto behind = static_cast<uint16_t>(static_cast<uint16_t>(highest_) - sequence);
    if (behind < kWindow && !seen_.test((highest_ - behind) % kWindow))
      missing.push_back(sequence);
  }
  missing_.clear();
  return missing;
}

uint64_t ReceptionLog::lostEver() const {
  const uint64_t expected = started_ ? highest_ - first_ + 1 : 0;
  return expected > uniqueEver_ ? expected - uniqueEver_ : 0;
}

uint8_t ReceptionLog::takeFractionLost() {
  const uint64_t expected = highest_ - reportedHighest_;
  const uint64_t unique = uniqueEver_ - reportedUnique_;
  reportedHighest_ = highest_;
  reportedUnique_ = uniqueEver_;
  if (expected == 0 || unique >= expected)
    return 0;
  return static_cast<uint8_t>(std::min<uint64_t>(255, (expected - unique) * 256 / expected));
}

}  // namespace bench
