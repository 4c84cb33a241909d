// How many viewers the plane carries by how many threads that send, on a machine with as many cores: a
// simulation, since the machine at hand may have two. Core and shards are the real ones; they encrypt, and
// send to real sockets on loopback. They run one after the other on one thread, and what each turn takes is
// measured as CPU time, by which the clock of that virtual thread goes on. What the simulation leaves out:
// threads that wait for each other in the kernel, and that share caches and memory.
//
//   make thread-scaling && out/plain/thread_scaling [viewers per thread, 250] [threads ..., 1 2 4 8 16]
#include <algorithm>

#include "clock.h"
#include "loopback.h"
#include "test/silent_listener.h"

namespace streamkit {
namespace {

using bench::threadCpuNs;
using loopback::openSocket;
using Socket = loopback::Sender;

constexpr int64_t kFrameIntervalUs = 16'667;
constexpr uint32_t kPacketsPerFrame = 14;
constexpr uint32_t kPayloadBytes = 1180;
constexpr double kBitrateBps = 8e6;
constexpr int kWarmUpFrames = 30;
constexpr int kFrames = 180;
/** From the write to an eventfd until the other thread runs. */
constexpr int64_t kWakeUs = 50;
/** A viewer reports as often. */
constexpr int kReportEveryFrames = 3;
constexpr size_t kPacketsPerTurn = 1536;
constexpr uint32_t kVideo = 1;

/** The clock of one thread: it is free again when what it does has taken its time. */
struct VirtualClock {
  int64_t freeNs = 0;
  int64_t busyNs = 0;

  /** @param nowUs at which the work can begin at the earliest */
  template <typename Work>
  void run(int64_t nowUs, Work&& work) {
    freeNs = std::max(freeNs, nowUs * 1000);
    const int64_t startNs = threadCpuNs();
    work(freeNs / 1000);
    const int64_t tookNs = threadCpuNs() - startNs;
    freeNs += tookNs;
    busyNs += tookNs;
  }
};

/** A shard on its virtual thread. */
class VirtualShard final : public ShardLink {
 public:
  VirtualShard(uint32_t seed, std::unique_ptr<UdpSocket> socket, MediaShardListener& listener,
               const VirtualClock& core)
      : sender(std::move(socket)), core_(core), shard_({0, seed}, sender, listener, sender.stats) {}

  void post(Command command) override {
    commands_.push_back({core_.freeNs / 1000 + kWakeUs, std::move(command)});
  }
  void postFrame(uint32_t producer, const EncodedFrame& frame, bool gapBefore, bool) override {
    auto copy = std::make_shared<EncodedFrame>(frame);
    post([=](MediaShard& shard, int64_t nowUs) { shard.sendFrame(producer, *copy, gapBefore, nowUs); });
  }
  void postCloseProducer(uint32_t) override {}
  bool postRtcp(uint32_t transport, Bytes data) override {
    auto copy = std::make_shared<std::vector<uint8_t>>(data.begin(), data.end());
    post([=](MediaShard& shard, int64_t nowUs) { shard.receiveRtcp(transport, *copy, nowUs); });
    return true;
  }

  void runUntil(int64_t untilUs) {
    for (;;) {
      int64_t nextUs = dueUs_.value_or(INT64_MAX);
      if (!commands_.empty()) {
        nextUs = std::min(nextUs, commands_.front().first);
      }
      if (std::max(nextUs, clock.freeNs / 1000) >= untilUs) {
        return;
      }
      clock.run(nextUs, [this](int64_t nowUs) {
        size_t done = 0;
        while (done < commands_.size() && commands_[done].first <= nowUs) {
          commands_[done].second(shard_, nowUs);
          done += 1;
        }
        commands_.erase(commands_.begin(), commands_.begin() + static_cast<std::ptrdiff_t>(done));
        dueUs_ = shard_.advance(nowUs, kPacketsPerTurn);
      });
    }
  }
  bool isBusy() const { return shard_.isBusy() || !commands_.empty(); }

  VirtualClock clock;
  Socket sender;

 private:
  const VirtualClock& core_;
  std::vector<std::pair<int64_t, Command>> commands_;
  std::optional<int64_t> dueUs_;
  MediaShard shard_;
};

/** A viewer's socket, which nobody reads, and what its reports are encrypted by. */
struct Viewer {
  std::unique_ptr<UdpSocket> socket;
  SrtpSender reports;
  std::shared_ptr<ConsumerStats> stats = std::make_shared<ConsumerStats>();
};

class Simulation {
 public:
  Simulation(size_t threads, size_t viewers) : sender_(openSocket()) {
    for (size_t i = 0; threads > 1 && i < threads; i += 1) {
      auto share = sender_.socket->share().socket;
      shards_.push_back(
          std::make_unique<VirtualShard>(static_cast<uint32_t>(i + 2), std::move(share), events_, clock_));
    }
    std::vector<ShardLink*> links;
    for (const auto& shard : shards_) {
      links.push_back(shard.get());
    }
    core_.emplace(MediaCore::Options{0, 1}, sender_, events_, sender_.stats, links);
    core_->createProducer(kVideo, {});
    for (size_t i = 0; i < viewers; i += 1) {
      join(static_cast<uint32_t>(i));
    }
  }

  void report() {
    for (int i = 0; i < kWarmUpFrames; i += 1) {
      play(i == 0);
    }
    const auto busyNs = [](const VirtualClock& clock) { return clock.busyNs; };
    const int64_t coreNs = busyNs(clock_);
    std::vector<int64_t> before;
    for (const auto& shard : shards_) {
      before.push_back(busyNs(shard->clock));
    }
    const uint64_t packets = packetsSent();
    lagsUs_.clear();
    for (int i = 0; i < kFrames; i += 1) {
      play(false);
    }
    const double wallNs = 1000.0 * kFrames * kFrameIntervalUs;
    const double core = static_cast<double>(busyNs(clock_) - coreNs);
    double sum = core;
    double most = shards_.empty() ? core : 0;
    for (size_t i = 0; i < shards_.size(); i += 1) {
      const auto own = static_cast<double>(busyNs(shards_[i]->clock) - before[i]);
      sum += own;
      most = std::max(most, own);
    }
    std::sort(lagsUs_.begin(), lagsUs_.end());
    uint64_t dropped = 0;
    for (const Viewer& viewer : viewers_) {
      dropped += viewer.stats->framesDropped;
    }
    const auto sent = static_cast<double>(packetsSent() - packets);
    std::printf("%7zu %8zu %11.0f %14.2f %17.2f %15.3f %15.1f %14llu\n", std::max<size_t>(1, shards_.size()),
                viewers_.size(), sent / wallNs * 1e6, sum / sent / 1000, most / wallNs,
                shards_.empty() ? 0 : core / wallNs,
                static_cast<double>(lagsUs_[lagsUs_.size() * 99 / 100]) / 1000,
                static_cast<unsigned long long>(dropped));
    std::fflush(stdout);
  }

 private:
  void join(uint32_t viewer) {
    const uint32_t endpoint = 10 + 3 * viewer;
    viewers_.push_back({openSocket(), *SrtpSender::create(SrtpProfile::kAeadAes128Gcm, {})});
    loopback::join(*core_, endpoint, viewers_.back().socket->local(), nowUs_);
    ConsumerParameters parameters;
    parameters.ssrc = 5;
    parameters.payloadType = 96;
    parameters.rtxSsrc = 6;
    parameters.rtxPayloadType = 97;
    parameters.headerExtensions = {1, 2, 3, 4};
    parameters.targetBitrateBps = kBitrateBps;
    core_->consume(endpoint + 2, endpoint + 1, kVideo, parameters, viewers_.back().stats, nowUs_);
  }

  void play(bool keyframe) {
    EncodedFrame frame;
    frame.bytes = std::make_unique<uint8_t[]>(kPacketsPerFrame * kPayloadBytes);
    for (uint32_t i = 0; i <= kPacketsPerFrame; i += 1) {
      frame.offsets.push_back(i * kPayloadBytes);
    }
    frame.keyframe = keyframe;
    frame.captureTimeUs = nowUs_;
    frame.rtpTimestamp = rtpTimestampOf(nowUs_, 90'000);
    const auto receiveReports = [this](int64_t nowUs) {
      for (size_t i = frames_ % kReportEveryFrames; i < viewers_.size(); i += kReportEveryFrames) {
        core_->receive(0, viewers_[i].socket->local(), reports_[i], nowUs);
      }
    };
    makeReports();
    clock_.run(nowUs_, [&](int64_t nowUs) {
      core_->sendFrame(kVideo, std::move(frame), false, nowUs);
      dueUs_ = core_->advance(nowUs, kPacketsPerTurn);
    });
    clock_.run(nowUs_, receiveReports);
    const int64_t untilUs = nowUs_ + kFrameIntervalUs;
    while (std::max(dueUs_.value_or(INT64_MAX), clock_.freeNs / 1000) < untilUs) {
      clock_.run(*dueUs_, [&](int64_t nowUs) { dueUs_ = core_->advance(nowUs, kPacketsPerTurn); });
      noteLag(clock_, dueUs_.has_value() && *dueUs_ <= clock_.freeNs / 1000);
    }
    noteLag(clock_, false);
    for (const auto& shard : shards_) {
      shard->runUntil(untilUs);
      noteLag(shard->clock, false);
    }
    nowUs_ = untilUs;
    frames_ += 1;
  }

  void noteLag(const VirtualClock& clock, bool goesOn) {
    if (!goesOn) {
      lagsUs_.push_back(std::max<int64_t>(0, clock.freeNs / 1000 - nowUs_));
    }
  }

  /** Encrypted beforehand: the viewers' own work. */
  void makeReports() {
    reports_.resize(viewers_.size());
    const std::array<uint8_t, 8> empty{0x80, 0xc9, 0, 1, 0, 0, 0, 1};
    for (size_t i = frames_ % kReportEveryFrames; i < viewers_.size(); i += kReportEveryFrames) {
      reports_[i].resize(empty.size() + viewers_[i].reports.rtcpOverheadBytes());
      viewers_[i].reports.protectRtcp(empty, reports_[i].data());
    }
  }

  uint64_t packetsSent() const {
    uint64_t sum = sender_.stats.packetsSent;
    for (const auto& shard : shards_) {
      sum += shard->sender.stats.packetsSent;
    }
    return sum;
  }

  VirtualClock clock_;
  test::SilentListener events_;
  Socket sender_;
  std::vector<std::unique_ptr<VirtualShard>> shards_;
  std::optional<MediaCore> core_;
  std::vector<Viewer> viewers_;
  std::vector<std::vector<uint8_t>> reports_;
  std::vector<int64_t> lagsUs_;
  std::optional<int64_t> dueUs_;
  int64_t nowUs_ = 1'000'000;
  size_t frames_ = 0;
};

}  // namespace
}  // namespace streamkit

int main(int count, char** arguments) {
  streamkit::loopback::allowManySockets();
  const size_t each = count > 1 ? static_cast<size_t>(std::atoi(arguments[1])) : 250;
  std::vector<size_t> threads;
  for (int i = 2; i < count; i += 1) {
    threads.push_back(static_cast<size_t>(std::atoi(arguments[i])));
  }
  if (threads.empty()) {
    threads = {1, 2, 4, 8, 16};
  }
  std::printf("1080p60 at 8 Mbit/s; viewers report 20 times per second\n");
  std::printf(
      "threads  viewers  kpackets/s  CPU us/packet  busiest sender  receiver      done after p99 ms  "
      "dropped\n");
  for (const size_t one : threads) {
    streamkit::Simulation(one, one * each).report();
  }
  return 0;
}
