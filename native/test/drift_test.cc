#include <algorithm>

#include "network_simulator.h"
#include "test.h"

// What half an hour does to the age of pictures.

namespace streamkit::test {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int64_t kMinutes = 6;
#else
constexpr int64_t kMinutes = 30;
#endif
/** A crystal may be off by so much. */
constexpr int64_t kSkewPpm = 100;

SimulatedLink::Profile linkOf(double rateBps) {
  return {.rateBps = rateBps, .queueBytes = rateBps / 8 * 0.2, .delayUs = 20'000};
}

/** Runs on while the viewers' clocks drift apart, and notes how old their pictures are when they arrive. */
void runApart(NetworkSimulator& network, int64_t us, std::vector<std::vector<int64_t>>& agesUs) {
  agesUs.assign(network.viewerCount(), {});
  for (const int64_t endUs = network.nowUs + us; network.nowUs < endUs;) {
    network.run(100'000);
    for (size_t i = 0; i < network.viewerCount(); i += 1) {
      network.viewer(i).clockOffsetUs += (i % 2 == 0 ? 1 : -1) * kSkewPpm / 10;
      agesUs[i].push_back(network.viewer(i).ageUs);
    }
  }
}

int64_t medianOf(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

TEST(
    "over half an hour of clocks that run apart, congestion and losses, the age of pictures does not creep") {
  NetworkSimulator network(7);
  for (int i = 0; i < 2; i += 1) {
    network.addLink();
    network.link(static_cast<size_t>(i)).profile = linkOf(4e6);
    network.viewer(network.addViewer(static_cast<size_t>(i))).encoder.maxBitrateBps = 1.2e6;
    network.viewer(static_cast<size_t>(i)).reports = true;
  }
  std::vector<std::vector<int64_t>> agesUs;
  runApart(network, 10 * kSecondUs, agesUs);
  runApart(network, 20 * kSecondUs, agesUs);
  const std::vector<int64_t> beforeUs{medianOf(agesUs[0]), medianOf(agesUs[1])};
  const int64_t endUs = network.nowUs + kMinutes * 60 * kSecondUs;
  for (int round = 0; network.nowUs < endUs; round += 1) {
    // A minute each of: a link that is too slow for a while, losses for a while, and peace.
    const SimulatedLink::Profile lossy{.rateBps = 4e6, .delayUs = 20'000, .loss = 0.05};
    for (size_t i = 0; i < 2; i += 1) {
      network.link(i).profile = round % 3 == 0 ? linkOf(0.6e6) : round % 3 == 1 ? lossy : linkOf(4e6);
    }
    runApart(network, 10 * kSecondUs, agesUs);
    for (size_t i = 0; i < 2; i += 1) {
      network.link(i).profile = linkOf(4e6);
    }
    runApart(network, 30 * kSecondUs, agesUs);
    runApart(network, 20 * kSecondUs, agesUs);
    for (size_t i = 0; i < 2; i += 1) {
      EXPECT(std::abs(medianOf(agesUs[i]) - beforeUs[i]) <= 10'000);
      // Nor does the picture stay worse than the link allows.
      EXPECT(network.viewer(i).encoder.bitrateBps >= 1.2e6);
      EXPECT_EQ(network.viewer(i).playoutDelayMs, 0);
    }
  }
}

}  // namespace streamkit::test
