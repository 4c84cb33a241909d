#pragma once

#include <map>
#include <random>
#include <vector>

#include "core/media_core.h"
#include "core/srtcp_receiver.h"
#include "core/srtp_sender.h"
#include "srtp_receiver.h"
#include "test.h"

namespace streamkit::test {

/** Where the core's datagrams go in a test: to a viewer, after a delay, unless they are lost. Time is
 * virtual. */
class VirtualNetwork final : public DatagramSender {
 public:
  struct Datagram {
    SocketAddress to;
    std::vector<uint8_t> bytes;
  };
  struct Call {
    int64_t atUs;
    size_t packets;
    size_t segmentBytes;
  };

  explicit VirtualNetwork(uint32_t seed = 1) : random_(seed) {}

  void send(int, const SocketAddress& to, Bytes datagrams, size_t segmentBytes) override;
  bool blocked(int, const SocketAddress&) const override { return blocked_; }

  void setBlocked(bool blocked) { blocked_ = blocked; }
  void setLoss(double share) { loss_ = share; }
  void setTime(int64_t nowUs) { nowUs_ = nowUs; }
  /** What has arrived by now. */
  std::vector<Datagram> take();
  std::vector<Call>& calls() { return calls_; }
  size_t lost() const { return lost_; }

  static constexpr int64_t kDelayUs = 20'000;

 private:
  std::mt19937 random_;
  double loss_ = 0;
  bool blocked_ = false;
  int64_t nowUs_ = 0;
  size_t lost_ = 0;
  std::multimap<int64_t, Datagram> underWay_;
  std::vector<Call> calls_;
};

/** Notes what the core tells. */
struct EventLog final : MediaCoreListener {
  struct Packet {
    uint32_t endpoint;
    SocketAddress from;
    std::vector<uint8_t> data;
  };

  void onPacket(uint32_t endpoint, int, const SocketAddress& from, Bytes data) override {
    packets.push_back({endpoint, from, {data.begin(), data.end()}});
  }
  void onKeyframeWanted(uint32_t producer) override { keyframesWanted[producer] += 1; }
  void onSwitched(uint32_t consumer, uint32_t producer) override { switches.push_back({consumer, producer}); }
  void onConsentLost(uint32_t consent) override { consentsLost.push_back(consent); }
  void onDtlsConnected(uint32_t endpoint) override { dtlsConnected.push_back(endpoint); }
  void onDtlsData(uint32_t, Bytes data) override { dtlsData.emplace_back(data.begin(), data.end()); }
  void onDtlsEnded(uint32_t, DtlsFault fault) override { dtlsEnded.push_back(fault); }
  void onEstimate(uint32_t, double bitrateBps) override { estimates.push_back(bitrateBps); }

  std::vector<Packet> packets;
  std::map<uint32_t, int> keyframesWanted;
  std::vector<std::pair<uint32_t, uint32_t>> switches;
  std::vector<uint32_t> consentsLost;
  std::vector<uint32_t> dtlsConnected;
  std::vector<std::vector<uint8_t>> dtlsData;
  std::vector<DtlsFault> dtlsEnded;
  std::vector<double> estimates;
};

/** A packet as a viewer has it after decryption. */
struct ReceivedRtp {
  RtpPacketView view;
  std::vector<uint8_t> bytes;
  uint16_t mediaSequenceNumber = 0;
  int64_t arrivedUs = 0;
};

/** Which frame and which of its payloads: see Bench::sendVideo. */
inline uint32_t tagOf(const ReceivedRtp& packet) {
  return readU32(packet.view.payload.data());
}

/** A core with a clock that stands where it is put, and one peer that answers as a browser would. */
class Bench {
 public:
  static constexpr uint32_t kEndpoint = 1;
  static constexpr uint32_t kTransport = 2;
  static constexpr uint32_t kVideo = 3;
  static constexpr uint32_t kAudio = 4;
  static constexpr uint32_t kVideoConsumer = 5;
  static constexpr uint32_t kAudioConsumer = 6;
  /** The same picture, encoded once more. */
  static constexpr uint32_t kSecondVideo = 7;
  static constexpr uint32_t kVideoSsrc = 0x1000;
  static constexpr uint32_t kRtxSsrc = 0x1001;
  static constexpr uint32_t kFecSsrc = 0x1002;
  static constexpr uint32_t kAudioSsrc = 0x2000;
  /** The payload type of RED, which the viewer takes for sound. */
  static constexpr uint8_t kRedPayloadType = 63;

  explicit Bench(uint32_t seed = 1, SrtpProfile profile = SrtpProfile::kAeadAes128Gcm);

  /** The endpoint with its credentials, and the pair selected as ICE does it. */
  void connect();
  void select(const SocketAddress& remote);
  void createTransport();
  void createVideo(bool gopReplay = false, uint32_t id = kVideo);
  void createAudio();
  /** @param takesRepairs of FlexFEC, under kFecSsrc */
  void consumeVideo(double targetBitrateBps = 4e6, bool takesRepairs = false, bool forwarded = false);
  void consumeAudio(uint8_t redPayloadType = kRedPayloadType);

  /** @param captureTimeUs of the picture; 0: now */
  void sendVideo(uint32_t payloads, bool keyframe, uint32_t bytesEach = 1100, uint32_t producer = kVideo,
                 int64_t captureTimeUs = 0);
  void sendAudio();
  /** Runs the core and the network until then. */
  void runUntil(int64_t untilUs);
  void run(int64_t us) { runUntil(nowUs + us); }

  void receive(Bytes datagram) { receiveFrom(viewer, datagram); }
  void receiveFrom(const SocketAddress& from, Bytes datagram);
  void sendRtcp(Bytes compound);
  /** An empty receiver report: the viewer is there. */
  void answer() { sendRtcp(fromHex("80c90001 00000001")); }
  void nack(const std::vector<uint16_t>& sequenceNumbers);

  /** In the order of their arrival; retransmissions are restored. */
  std::vector<ReceivedRtp>& video() { return received[kVideoSsrc]; }
  ConsumerStats& videoStats() { return *videoStats_; }

  PlaneStats stats;
  TransportStats& transportStats() { return *transportStats_; }
  VirtualNetwork network;
  EventLog events;
  MediaCore core;
  int64_t nowUs = 10'000'000;
  /** Of viewers that come from now on. */
  unsigned packetTimeMaxMs = 0;
  SocketAddress viewer = *SocketAddress::fromText("10.0.0.1", 5000);
  std::map<uint32_t, std::vector<ReceivedRtp>> received;
  std::vector<std::vector<uint8_t>> receivedRtcp;
  std::vector<std::vector<uint8_t>> receivedOther;
  size_t retransmissions = 0;
  size_t undecryptable = 0;

 private:
  void deliver(const VirtualNetwork::Datagram& datagram, int64_t atUs);
  void consume(uint32_t id, uint32_t producer, uint32_t ssrc, uint32_t rtxSsrc, double targetBitrateBps,
               std::shared_ptr<ConsumerStats> stats, uint8_t redPayloadType = 0, uint32_t fecSsrc = 0,
               bool forwarded = false);

  SrtpProfile profile_;
  SrtpMasterKey ours_;
  SrtpMasterKey theirs_;
  SrtpReceiver srtp_;
  SrtcpReceiver srtcp_;
  SrtpSender sender_;
  std::shared_ptr<ConsumerStats> videoStats_ = std::make_shared<ConsumerStats>();
  std::shared_ptr<TransportStats> transportStats_ = std::make_shared<TransportStats>();
  uint8_t transaction_ = 0;
  uint32_t frames_ = 0;
};

}  // namespace streamkit::test
