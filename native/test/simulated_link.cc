#include "simulated_link.h"

#include <algorithm>

namespace streamkit::test {
namespace {

/** IPv4 and UDP. */
constexpr size_t kOverheadBytes = 28;

}  // namespace

std::optional<int64_t> SimulatedLink::send(size_t bytes, int64_t nowUs) {
  bool lost = profile.loss > 0 && draw() < profile.loss;
  if (profile.burstLoss > 0) {
    const double ends = 1 / profile.burstPackets;
    const double begins = profile.burstLoss * ends / (1 - profile.burstLoss);
    bad_ = bad_ ? draw() >= ends : draw() < begins;
    lost = lost || bad_;
  }
  if (lost) {
    return std::nullopt;
  }
  int64_t atUs = nowUs;
  if (profile.rateBps > 0) {
    const auto onWire = static_cast<double>(bytes + kOverheadBytes);
    if (static_cast<double>(queueUs(nowUs)) * profile.rateBps / 8e6 + onWire > profile.queueBytes) {
      return std::nullopt;
    }
    freeUs_ = std::max(nowUs, freeUs_) + static_cast<int64_t>(onWire * 8e6 / profile.rateBps);
    atUs = freeUs_;
  }
  if (profile.jitterUs > 0 && nowUs >= drawnUs_) {
    jitterUs_ = static_cast<int64_t>((draw() * 2 - 1) * static_cast<double>(profile.jitterUs));
    drawnUs_ = nowUs + profile.jitterStepUs;
  }
  const int64_t jitterUs = profile.jitterUs > 0 ? jitterUs_ : 0;
  lastArrivalUs_ = std::max({nowUs, atUs + profile.delayUs + jitterUs, lastArrivalUs_});
  return lastArrivalUs_;
}

}  // namespace streamkit::test
