#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>

#include "core/media_core.h"
#include "core/srtp_sender.h"
#include "simulated_link.h"
#include "simulated_player.h"
#include "srtp_receiver.h"

namespace streamkit::test {

/** An encoder that makes what the estimate of a viewer allows, as the planner would let it. */
struct SimulatedEncoder {
  double maxBitrateBps = 8e6;
  double minBitrateBps = 200e3;
  /** It does not follow the estimate. */
  bool isFixed = false;
  double bitrateBps = 1e6;
};

/** A browser that receives, and the source that is made for it. */
class SimulatedViewer;

/** TCP Reno, roughly: a window that grows by a packet each round trip and halves when one is lost. */
class SimulatedTcp;

/** A core whose viewers are behind simulated links, on virtual time: same seed, same run. */
class NetworkSimulator final : private DatagramSender, private MediaCoreListener {
 public:
  explicit NetworkSimulator(uint32_t seed);
  ~NetworkSimulator();

  /** @param link of its own, or that of another viewer by its number. @param takesRepairs of FlexFEC */
  size_t addViewer(size_t link, bool takesRepairs = false);
  size_t addLink();
  SimulatedLink& link(size_t index) { return *links_[index]; }
  SimulatedViewer& viewer(size_t index) { return *viewers_[index]; }
  size_t viewerCount() const { return viewers_.size(); }
  /** Bulk data over the link from now on. */
  SimulatedTcp& addTcp(size_t link);

  void runUntil(int64_t untilUs);
  void run(int64_t us) { runUntil(nowUs + us); }
  void at(int64_t timeUs, std::function<void()> what);

  int64_t nowUs = 10'000'000;
  uint32_t random() { return static_cast<uint32_t>(random_()); }

  PlaneStats stats;
  MediaCore core;

 private:
  friend class SimulatedViewer;
  friend class SimulatedTcp;

  struct Event {
    int64_t timeUs;
    uint64_t order;
    std::function<void()> what;
    bool operator>(const Event& other) const {
      return timeUs != other.timeUs ? timeUs > other.timeUs : order > other.order;
    }
  };

  void send(int, const SocketAddress& to, Bytes datagrams, size_t segmentBytes) override;
  bool blocked(int, const SocketAddress&) const override { return false; }
  void onPacket(uint32_t, int, const SocketAddress&, Bytes) override {}
  void onKeyframeWanted(uint32_t producer) override;
  void onSwitched(uint32_t, uint32_t) override {}
  void onConsentLost(uint32_t) override {}
  void onDtlsConnected(uint32_t) override {}
  void onDtlsData(uint32_t, Bytes) override {}
  void onDtlsEnded(uint32_t, DtlsFault) override {}
  void onEstimate(uint32_t transport, double bitrateBps) override;

  std::mt19937 random_;
  std::vector<std::unique_ptr<SimulatedLink>> links_;
  std::vector<std::unique_ptr<SimulatedViewer>> viewers_;
  std::vector<std::unique_ptr<SimulatedTcp>> tcps_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint64_t order_ = 0;
};

class SimulatedViewer {
 public:
  SimulatedViewer(NetworkSimulator& network, size_t index, size_t link);

  SimulatedEncoder encoder;
  /** Feedback that is lost on its way to the server. */
  double feedbackLoss = 0;
  bool silent = false;
  /** Sends receiver reports of its pictures, beside the feedback. */
  bool reports = false;
  int64_t clockOffsetUs = 0;
  bool keyframeWanted = true;

  double estimateBps() const { return stats_->estimatedBitrateBps.get(); }
  double queueMs() const { return stats_->queueMs.get(); }
  double lossShare() const { return stats_->lossShare.get(); }
  uint64_t arrivedBytes = 0;
  uint64_t paddingBytes = 0;
  /** How old the last picture was when it arrived. */
  int64_t ageUs = 0;
  uint64_t repairBytes = 0;
  /** For how long it is told to hold pictures back, at least. */
  unsigned playoutDelayMs = 0;
  /** It shows its pictures and asks for lost packets from now on, and reports. */
  SimulatedPlayer& play();

 private:
  friend class NetworkSimulator;

  void begin(bool takesRepairs);
  void askAgain();
  void sendNacks(const std::vector<uint16_t>& numbers);
  void sendFrame();
  void arrive(std::vector<uint8_t> datagram, int64_t nowUs);
  void sendFeedback();
  void sendReport();
  void sendRtcp(Bytes compound);

  NetworkSimulator& network_;
  uint32_t index_;
  size_t link_;
  SocketAddress address_;
  SrtpSender srtp_;
  std::shared_ptr<TransportStats> stats_ = std::make_shared<TransportStats>();
  std::shared_ptr<ConsumerStats> consumerStats_ = std::make_shared<ConsumerStats>();
  std::unique_ptr<SimulatedPlayer> player_;
  SrtpReceiver received_;
  std::map<int64_t, int64_t> arrivals_;
  int64_t newestSequence_ = -1;
  /** Of the pictures' packets: the newest, how many have arrived, and both at the last report. */
  int64_t newestVideo_ = -1;
  int64_t videoPackets_ = 0;
  int64_t reportedLost_ = 0;
  int64_t reportedNewest_ = -1;
  int64_t reportedPackets_ = 0;
  int64_t feedbackBase_ = 0;
  uint8_t feedbackCount_ = 0;
  uint32_t frames_ = 0;
};

class SimulatedTcp {
 public:
  SimulatedTcp(NetworkSimulator& network, size_t link) : network_(network), link_(link) {}
  uint64_t deliveredBytes = 0;
  bool stopped = false;

 private:
  friend class NetworkSimulator;
  void pump();

  NetworkSimulator& network_;
  size_t link_;
  double window_ = 10;
  double threshold_ = 64;
  size_t underWay_ = 0;
  int64_t halvedUs_ = 0;
};

}  // namespace streamkit::test
