#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace streamkit::test {

/** One direction of a way through a network: losses, a bottleneck with a drop-tail queue, delay, jitter. */
class SimulatedLink {
 public:
  struct Profile {
    /** 0: without a limit. */
    double rateBps = 0;
    /** What the bottleneck holds. */
    double queueBytes = 50'000;
    int64_t delayUs = 10'000;
    double loss = 0;
    /** Losses in bursts: mean share, and mean length in packets. 0: none. */
    double burstLoss = 0;
    double burstPackets = 8;
    /** Drawn anew in plus and minus this every `jitterStepUs`; the order stays. */
    int64_t jitterUs = 0;
    int64_t jitterStepUs = 30'000;
  };

  explicit SimulatedLink(uint32_t seed) : random_(seed) {}

  Profile profile;

  /** @returns when the packet arrives; nothing if it is lost */
  std::optional<int64_t> send(size_t bytes, int64_t nowUs);
  /** What a packet that comes now would wait. */
  int64_t queueUs(int64_t nowUs) const { return freeUs_ > nowUs ? freeUs_ - nowUs : 0; }

 private:
  double draw() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  std::mt19937 random_;
  int64_t freeUs_ = 0;
  int64_t lastArrivalUs_ = 0;
  int64_t drawnUs_ = 0;
  int64_t jitterUs_ = 0;
  bool bad_ = false;
};

}  // namespace streamkit::test
