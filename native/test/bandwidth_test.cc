#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

#include "core/bandwidth_estimator.h"
#include "network_simulator.h"
#include "test.h"

namespace streamkit::test {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint32_t kSeeds = 10;
#else
constexpr uint32_t kSeeds = 100;
#endif

void printState(NetworkSimulator& network) {
  std::printf("%6.2f", static_cast<double>(network.nowUs - 10'000'000) / 1e6);
  for (size_t i = 0; i < network.viewerCount(); i += 1) {
    SimulatedViewer& viewer = network.viewer(i);
    std::printf("  est %7.0f enc %7.0f age %4lld queue %4lld (est %4.0f) pad %6llu",
                viewer.estimateBps() / 1e3, viewer.encoder.bitrateBps / 1e3,
                static_cast<long long>(viewer.ageUs / 1000),
                static_cast<long long>(network.link(0).queueUs(network.nowUs) / 1000), viewer.queueMs(),
                static_cast<unsigned long long>(viewer.paddingBytes));
  }
  std::printf("\n");
}

/** Runs on; with TRACE=1 SEED=n in the environment it prints the state of the run of seed n every quarter of
 * a second. */
void trace(NetworkSimulator& network, int64_t us, const char* title) {
  if (std::getenv("TRACE") == nullptr || std::getenv("SEED") == nullptr) {
    network.run(us);
    return;
  }
  std::printf("--- %s\n", title);
  for (int64_t endUs = network.nowUs + us; network.nowUs < endUs;) {
    network.run(250'000);
    printState(network);
  }
}

/** The mean of the estimate over a time, and the longest that the queue stood. */
struct Observed {
  double estimateBps = 0;
  /** Least queue of the worst quarter of a second: bursts that drain at once are no standing queue. */
  int64_t standingUs = 0;
  /** Median. */
  int64_t ageUs = 0;
};

Observed observe(NetworkSimulator& network, size_t viewer, int64_t us) {
  Observed observed;
  int64_t samples = 0;
  std::vector<int64_t> agesUs;
  int64_t leastUs = INT64_MAX;
  for (const int64_t endUs = network.nowUs + us; network.nowUs < endUs;) {
    if (samples % 25 == 0 && std::getenv("TRACE") != nullptr && std::getenv("SEED") != nullptr) {
      printState(network);
    }
    network.run(10'000);
    samples += 1;
    observed.estimateBps += network.viewer(viewer).estimateBps();
    agesUs.push_back(network.viewer(viewer).ageUs);
    leastUs = std::min(leastUs, network.link(0).queueUs(network.nowUs));
    if (samples % 25 == 0) {
      observed.standingUs = std::max(observed.standingUs, leastUs);
      leastUs = INT64_MAX;
    }
  }
  observed.estimateBps /= static_cast<double>(samples);
  std::sort(agesUs.begin(), agesUs.end());
  observed.ageUs = agesUs[agesUs.size() / 2];
  return observed;
}

bool within(double share, double actual, double expected) {
  return actual > expected * (1 - share) && actual < expected * (1 + share);
}

/** A link of that rate with 200 ms of queue. */
SimulatedLink::Profile linkOf(double rateBps) {
  return {.rateBps = rateBps, .queueBytes = rateBps / 8 * 0.2, .delayUs = 20'000};
}

/** What went wrong while a link became slower and faster again. */
struct Faults {
  bool estimate = false;
  /** Longest standing queue. */
  int64_t queueUs = 0;
  /** In words; empty if nothing is wrong. */
  std::string wrong;
};

Faults dropAndRise(uint32_t seed) {
  NetworkSimulator network(seed);
  const double rateBps = 4e6 + network.random() % 4'000'000;
  network.addLink();
  network.link(0).profile = linkOf(rateBps);
  network.link(0).profile.delayUs = 5'000 + network.random() % 45'000;
  const int64_t delayUs = network.link(0).profile.delayUs;
  network.addViewer(0);
  Faults faults;
  const auto check = [&](const char* when, const Observed& observed, double expected) {
    const bool isNear = within(0.15, observed.estimateBps, expected);
    faults.estimate = faults.estimate || !isNear;
    faults.queueUs = std::max(faults.queueUs, observed.standingUs);
    if (!isNear || observed.standingUs >= 100'000) {
      faults.wrong += std::string(" ") + when + ": " + std::to_string(observed.estimateBps / expected) +
                      " of " + std::to_string(expected / 1e6) + ", queue " +
                      std::to_string(observed.standingUs / 1000);
    }
  };
  const auto change = [&](double bps) {
    network.link(0).profile = linkOf(bps);
    network.link(0).profile.delayUs = delayUs;
  };
  trace(network, 5 * kSecondUs, "begin");
  check("begin", observe(network, 0, 3 * kSecondUs), rateBps);
  change(rateBps / 6);
  trace(network, 5 * kSecondUs, "drop");
  check("drop", observe(network, 0, 4 * kSecondUs), rateBps / 6);
  change(rateBps);
  trace(network, 10 * kSecondUs, "rise");
  check("rise", observe(network, 0, 3 * kSecondUs), rateBps);
  return faults;
}

/** Whether SEED=n asks for another seed alone. */
bool skipped(uint32_t seed) {
  const char* const only = std::getenv("SEED");
  return only != nullptr && seed != static_cast<uint32_t>(std::atoi(only));
}

/** Per hundred seeds, so many may miss the narrow bound; all keep to the wide one. At least one may. */
constexpr size_t misses(size_t perHundred) {
  return std::max<size_t>(1, perHundred * kSeeds / 100);
}

}  // namespace

TEST(
    "the estimate is within 15 % of the link 5 s after the start and a drop to a sixth, and 10 s after a "
    "rise, and no queue stands for 100 ms") {
  for (uint32_t seed = 1; seed <= kSeeds; seed += 1) {
    if (skipped(seed)) {
      continue;
    }
    const Faults faults = dropAndRise(seed);
    if (!faults.wrong.empty()) {
      std::printf("    seed %u:%s\n", seed, faults.wrong.c_str());
    }
    EXPECT(!faults.estimate);
    EXPECT(faults.queueUs < 100'000);
  }
}

TEST("jitter of plus and minus 20 ms hardly ever lowers the estimate below what is sent") {
  size_t lowered = 0;
  for (uint32_t seed = 1; seed <= kSeeds; seed += 1) {
    if (skipped(seed)) {
      continue;
    }
    NetworkSimulator network(seed);
    network.addLink();
    network.link(0).profile = {.rateBps = 20e6, .queueBytes = 500'000, .delayUs = 40'000, .jitterUs = 20'000};
    network.addViewer(0);
    network.viewer(0).encoder.maxBitrateBps = 4e6;
    network.run(3 * kSecondUs);
    bool isLow = false;
    for (int i = 0; i < 27; i += 1) {
      trace(network, kSecondUs, "jitter");
      isLow = isLow || network.viewer(0).estimateBps() < 4.4e6;
      EXPECT(network.viewer(0).estimateBps() > 3e6);
    }
    lowered += isLow ? 1 : 0;
  }
  EXPECT(lowered <= misses(3));
}

TEST("random losses of 5 % lower no estimate below what is sent, and those of 10 % rarely to 60 % of it") {
  for (const double loss : {0.05, 0.1}) {
    size_t lowered = 0;
    for (uint32_t seed = 1; seed <= kSeeds; seed += 1) {
      if (skipped(seed)) {
        continue;
      }
      NetworkSimulator network(seed);
      network.addLink();
      network.link(0).profile = {.rateBps = 20e6, .queueBytes = 500'000, .delayUs = 25'000, .loss = loss};
      network.addViewer(0);
      network.viewer(0).encoder.maxBitrateBps = 4e6;
      network.run(5 * kSecondUs);
      bool isLow = false;
      for (int i = 0; i < 20; i += 1) {
        trace(network, kSecondUs, "loss");
        const double estimateBps = network.viewer(0).estimateBps();
        isLow = isLow || estimateBps < 2.5e6;
        EXPECT(estimateBps > (loss < 0.07 ? 4.4e6 : 0.6e6));
      }
      lowered += isLow ? 1 : 0;
    }
    EXPECT(lowered <= misses(2));
  }
}

TEST("two viewers share a link within 20 %, and use it") {
  for (uint32_t seed = 1; seed <= kSeeds; seed += 1) {
    if (skipped(seed)) {
      continue;
    }
    NetworkSimulator network(seed);
    network.addLink();
    network.link(0).profile = linkOf(4e6);
    network.addViewer(0);
    network.run(2 * kSecondUs);
    network.addViewer(0);
    trace(network, 30 * kSecondUs, "two");
    const uint64_t first = network.viewer(0).arrivedBytes;
    const uint64_t second = network.viewer(1).arrivedBytes;
    network.run(60 * kSecondUs);
    const auto firstBytes = static_cast<double>(network.viewer(0).arrivedBytes - first);
    const auto secondBytes = static_cast<double>(network.viewer(1).arrivedBytes - second);
    EXPECT(within(0.2, firstBytes, (firstBytes + secondBytes) / 2));
    EXPECT((firstBytes + secondBytes) * 8 / 60 > 4e6 * 0.85);
  }
}

TEST("beside a TCP transfer a viewer is not silenced, and the link is its own again afterwards") {
  for (uint32_t seed = 1; seed <= kSeeds; seed += 1) {
    if (skipped(seed)) {
      continue;
    }
    NetworkSimulator network(seed);
    network.addLink();
    network.link(0).profile = linkOf(4e6);
    network.addViewer(0);
    network.run(5 * kSecondUs);
    SimulatedTcp& tcp = network.addTcp(0);
    network.run(10 * kSecondUs);
    const uint64_t before = network.viewer(0).arrivedBytes;
    trace(network, 20 * kSecondUs, "TCP");
    EXPECT(static_cast<double>(network.viewer(0).arrivedBytes - before) * 8 / 20 > 250e3);
    EXPECT(tcp.deliveredBytes > 0);
    tcp.stopped = true;
    network.run(10 * kSecondUs);
    EXPECT(within(0.2, observe(network, 0, 4 * kSecondUs).estimateBps, 4e6));
  }
}

TEST("a short queue is overrun less and less often by probes") {
  struct Case {
    int64_t queueUs;
    /** What the viewer is sent, as a share of the link. */
    double sentShare;
  };
  for (const Case& each : {Case{30'000, 0.5}, Case{10'000, 0.25}}) {
    for (uint32_t seed = 1; seed <= kSeeds; seed += 1) {
      if (skipped(seed)) {
        continue;
      }
      NetworkSimulator network(seed);
      const double rateBps = 2e6 + network.random() % 4'000'000;
      network.addLink();
      network.link(0).profile = {.rateBps = rateBps,
                                 .queueBytes = rateBps / 8e6 * static_cast<double>(each.queueUs),
                                 .delayUs = 20'000};
      network.addViewer(0);
      network.viewer(0).encoder.maxBitrateBps = rateBps * each.sentShare;
      trace(network, 10 * kSecondUs, "short queue");
      const uint64_t paddingBefore = network.viewer(0).paddingBytes;
      const double estimateBps = observe(network, 0, 60 * kSecondUs).estimateBps;
      EXPECT(estimateBps > rateBps * 0.5 && estimateBps < rateBps * 1.1);
      EXPECT(network.viewer(0).paddingBytes - paddingBefore < 200'000);
    }
  }
}

TEST("lost feedback, steps of the viewer's clock and silence are survived") {
  NetworkSimulator network(3);
  network.addLink();
  network.link(0).profile = linkOf(3e6);
  network.addViewer(0);
  SimulatedViewer& viewer = network.viewer(0);
  viewer.feedbackLoss = 0.3;
  network.run(6 * kSecondUs);
  EXPECT(within(0.2, observe(network, 0, 4 * kSecondUs).estimateBps, 3e6));
  viewer.feedbackLoss = 0;
  for (const int64_t stepUs : {60 * kSecondUs, -50 * kSecondUs}) {
    viewer.clockOffsetUs += stepUs;
    network.run(6 * kSecondUs);
    EXPECT(within(0.2, observe(network, 0, 4 * kSecondUs).estimateBps, 3e6));
  }
  viewer.silent = true;
  network.run(4 * kSecondUs);
  EXPECT(viewer.estimateBps() > 1e6);
  viewer.silent = false;
  network.run(10 * kSecondUs);
  EXPECT(within(0.2, observe(network, 0, 4 * kSecondUs).estimateBps, 3e6));
}

TEST("feedback that lies, and packets that overtake each other, keep the estimate within its bounds") {
  for (uint32_t seed = 1; seed <= 50; seed += 1) {
    std::mt19937 random(seed);
    BandwidthEstimator estimator;
    int64_t sequence = 0;
    for (int64_t nowUs = 1'000'000; nowUs < 21'000'000; nowUs += 50'000) {
      for (int i = 0; i < 20; i += 1) {
        estimator.onTime(nowUs);
        estimator.onSent(1200, nowUs);
        // Any order, any time of arrival, received or not.
        const auto arrivalUs = static_cast<int64_t>(random()) * (random() % 2 == 0 ? 1 : 1000) - INT32_MAX;
        estimator.onReport(sequence + static_cast<int64_t>(random() % 20),
                           {nowUs - static_cast<int64_t>(random() % 200'000), arrivalUs, 1200,
                            random() % 4 != 0, random() % 8 == 0});
      }
      sequence += 20;
      estimator.onFeedbackEnd(nowUs, static_cast<int64_t>(random()) - INT32_MAX);
      EXPECT(estimator.bitrateBps() == 0 || (estimator.bitrateBps() >= BandwidthEstimator::kMinBitrateBps &&
                                             estimator.bitrateBps() <= BandwidthEstimator::kMaxBitrateBps));
      EXPECT(estimator.lossShare() >= 0 && estimator.lossShare() <= 1);
    }
  }
}

TEST("after congestion the age of the pictures is what it was within 5 s") {
  for (uint32_t seed = 1; seed <= kSeeds; seed += 1) {
    if (skipped(seed)) {
      continue;
    }
    NetworkSimulator network(seed);
    network.addLink();
    network.link(0).profile = linkOf(6e6);
    network.addViewer(0);
    network.run(6 * kSecondUs);
    const int64_t beforeUs = observe(network, 0, 2 * kSecondUs).ageUs;
    network.link(0).profile = linkOf(1e6);
    network.run(5 * kSecondUs);
    EXPECT(observe(network, 0, 2 * kSecondUs).standingUs < 100'000);
    network.link(0).profile = linkOf(6e6);
    network.run(3 * kSecondUs);
    const int64_t afterUs = observe(network, 0, 2 * kSecondUs).ageUs;
    EXPECT(afterUs <= beforeUs + 10'000);
  }
}

}  // namespace streamkit::test
