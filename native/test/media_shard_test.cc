#include "core/media_shard.h"

#include <set>

#include "core/media_core.h"
#include "payload_frame.h"
#include "srtp_receiver.h"
#include "stun_message_builder.h"
#include "test.h"
#include "virtual_network.h"

namespace streamkit::test {
namespace {

constexpr int64_t kWallOffsetUs = 1'700'000'000'000'000;
constexpr uint32_t kVideo = 1;
constexpr uint32_t kSmallVideo = 2;
constexpr uint32_t kSsrc = 0x1000;
constexpr uint32_t kRtxSsrc = 0x1001;

constexpr uint32_t endpointOf(uint32_t viewer) {
  return 10 + viewer * 10;
}
constexpr uint32_t transportOf(uint32_t viewer) {
  return 11 + viewer * 10;
}
constexpr uint32_t consumerOf(uint32_t viewer) {
  return 12 + viewer * 10;
}

SocketAddress addressOf(uint32_t viewer) {
  return *SocketAddress::fromText("10.0.0.1", static_cast<uint16_t>(5000 + viewer));
}

SrtpMasterKey masterOf(uint32_t fill) {
  SrtpMasterKey master;
  master.key.fill(static_cast<uint8_t>(fill));
  return master;
}

/** A shard as another thread would run it, when the test lets it. */
class SteppedShard final : public ShardLink, private DatagramSender {
 public:
  struct Datagram {
    SocketAddress to;
    std::vector<uint8_t> bytes;
  };

  SteppedShard(uint32_t seed, MediaShardListener& listener)
      : shard_({kWallOffsetUs, seed}, *this, listener, stats_) {}

  void post(Command command) override { commands_.push_back(std::move(command)); }
  void postFrame(uint32_t producer, const EncodedFrame& frame, bool gapBefore, bool urgent) override {
    urgentFrames += urgent ? 1 : 0;
    bytes.insert(frame.bytes.get());
    post([=](MediaShard& shard, int64_t nowUs) { shard.sendFrame(producer, frame, gapBefore, nowUs); });
  }
  void postCloseProducer(uint32_t producer) override {
    post([=](MediaShard& shard, int64_t nowUs) { shard.closeProducer(producer, nowUs); });
  }
  bool postRtcp(uint32_t transport, Bytes data) override {
    if (!takesRtcp) {
      return false;
    }
    post(
        [transport, copy = std::vector<uint8_t>(data.begin(), data.end())](MediaShard& shard, int64_t nowUs) {
          std::vector<uint8_t> datagram = copy;
          shard.receiveRtcp(transport, datagram, nowUs);
        });
    return true;
  }

  void run(int64_t nowUs) {
    std::vector<Command> commands;
    commands.swap(commands_);
    for (const Command& command : commands) {
      command(shard_, nowUs);
    }
    shard_.advance(nowUs, 1'000'000);
  }

  size_t urgentFrames = 0;
  std::set<const uint8_t*> bytes;
  bool takesRtcp = true;
  std::vector<Datagram> sent;

 private:
  void send(int, const SocketAddress& to, Bytes datagrams, size_t segmentBytes) override {
    for (size_t at = 0; at < datagrams.size(); at += segmentBytes) {
      const Bytes one = datagrams.subspan(at, std::min(segmentBytes, datagrams.size() - at));
      sent.push_back({to, {one.begin(), one.end()}});
    }
  }
  bool blocked(int, const SocketAddress&) const override { return false; }

  PlaneStats stats_;
  MediaShard shard_;
  std::vector<Command> commands_;
};

/** What the core sends itself. */
struct CoreSender final : DatagramSender {
  void send(int, const SocketAddress&, Bytes, size_t) override {}
  bool blocked(int, const SocketAddress&) const override { return false; }
};

/** A core with shards that are run apart from it, and viewers that are all of one producer. */
class ShardedBench {
 public:
  struct Viewer {
    SrtpReceiver srtp;
    SrtpSender sender;
    std::shared_ptr<ConsumerStats> stats = std::make_shared<ConsumerStats>();
    /** Those that have sent to it. */
    std::set<size_t> shards{};
    size_t pictures = 0;
    size_t retransmissions = 0;
    size_t rtcp = 0;
    size_t undecryptable = 0;
    uint16_t lastSequence = 0;
  };

  explicit ShardedBench(size_t count) {
    for (size_t i = 0; i < count; i += 1) {
      shards.push_back(std::make_unique<SteppedShard>(static_cast<uint32_t>(i + 2), events));
    }
    std::vector<ShardLink*> links;
    for (const auto& shard : shards) {
      links.push_back(shard.get());
    }
    core.emplace(MediaCore::Options{kWallOffsetUs, 1}, coreSender, events, stats, links);
    core->createProducer(kVideo, {});
  }

  void addViewer() {
    const auto i = static_cast<uint32_t>(viewers.size());
    const SrtpMasterKey ours = masterOf(i + 1);
    const SrtpMasterKey theirs = masterOf(i + 101);
    viewers.push_back({*SrtpReceiver::create(SrtpProfile::kAeadAes128Gcm, ours),
                       *SrtpSender::create(SrtpProfile::kAeadAes128Gcm, theirs)});
    const std::string ufrag = "ours" + std::to_string(i);
    core->createEndpoint(endpointOf(i), ufrag, "our-password");
    core->setRemoteCredentials(endpointOf(i), "theirs", "their-password");
    select(i, addressOf(i));
    EXPECT(core->createTransport(transportOf(i), endpointOf(i),
                                 *SrtpSession::create({SrtpProfile::kAeadAes128Gcm, ours, theirs}),
                                 std::make_shared<TransportStats>()));
    ConsumerParameters parameters;
    parameters.ssrc = kSsrc;
    parameters.payloadType = 96;
    parameters.rtxSsrc = kRtxSsrc;
    parameters.rtxPayloadType = 97;
    parameters.targetBitrateBps = 4e6;
    EXPECT(core->consume(consumerOf(i), transportOf(i), kVideo, parameters, viewers[i].stats, nowUs));
  }

  void select(uint32_t viewer, const SocketAddress& address) {
    StunTransactionId id{};
    writeU32(id.data(), ++transactions_);
    core->sendPacket(endpointOf(viewer), 0, address,
                     nominatingRequest(id, "theirs:ours" + std::to_string(viewer), "their-password"), nowUs);
    auto response = authenticResponse(id, "their-password");
    core->receive(0, address, response, nowUs);
  }

  void sendVideo(bool keyframe, uint32_t producer = kVideo) {
    EncodedFrame frame = payloadFrame(2, 1000, keyframe);
    frame.captureTimeUs = nowUs;
    frame.rtpTimestamp = rtpTimestampOf(nowUs, 90'000);
    core->sendFrame(producer, std::move(frame), false, nowUs);
  }

  void sendRtcp(uint32_t viewer, Bytes compound) {
    SrtpSender& sender = viewers[viewer].sender;
    std::vector<uint8_t> packet(compound.size() + sender.rtcpOverheadBytes());
    EXPECT(sender.protectRtcp(compound, packet.data()));
    core->receive(0, addressOf(viewer), packet, nowUs);
  }
  void sendPli(uint32_t viewer) { sendRtcp(viewer, fromHex("81ce0002 00000001 00001000")); }

  /** Lets all shards, and time, go on. */
  void run(int64_t us = 1'000) {
    for (const int64_t untilUs = nowUs + us; nowUs < untilUs; nowUs += 1'000) {
      core->advance(nowUs, 1'000'000);
      for (size_t i = 0; i < shards.size(); i += 1) {
        shards[i]->run(nowUs);
        deliver(i);
      }
    }
  }

  EventLog events;
  PlaneStats stats;
  CoreSender coreSender;
  std::vector<std::unique_ptr<SteppedShard>> shards;
  std::optional<MediaCore> core;
  std::vector<Viewer> viewers;
  int64_t nowUs = 10'000'000;

 private:
  void deliver(size_t shard) {
    for (auto& datagram : shards[shard]->sent) {
      Viewer& viewer = viewers[datagram.to.port() - 5000u];
      viewer.shards.insert(shard);
      if (packetKindOf(datagram.bytes) == PacketKind::kRtcp) {
        viewer.rtcp += 1;
        continue;
      }
      const auto plain = viewer.srtp.unprotect(datagram.bytes);
      const auto view = plain.has_value() ? RtpPacketView::parse(*plain) : std::nullopt;
      if (!view.has_value()) {
        viewer.undecryptable += 1;
      } else if (view->ssrc == kRtxSsrc) {
        viewer.retransmissions += 1;
      } else {
        viewer.pictures += view->marker ? 1 : 0;
        viewer.lastSequence = view->sequenceNumber;
      }
    }
    shards[shard]->sent.clear();
  }

  uint32_t transactions_ = 0;
};

}  // namespace

TEST("viewers are spread over the shards, and each is sent all by one of them, from the same bytes") {
  ShardedBench bench(3);
  for (int i = 0; i < 24; i += 1) {
    bench.addViewer();
  }
  bench.run();
  EXPECT_EQ(bench.events.keyframesWanted[kVideo], 1);
  for (int i = 0; i < 10; i += 1) {
    bench.sendVideo(i == 0);
    bench.run(33'000);
  }
  std::vector<size_t> viewersOf(3);
  for (const auto& viewer : bench.viewers) {
    EXPECT_EQ(viewer.shards.size(), 1);
    EXPECT_EQ(viewer.pictures, 10);
    EXPECT_EQ(viewer.undecryptable, 0);
    EXPECT_EQ(viewer.stats->packetsSent, 20);
    viewersOf[*viewer.shards.begin()] += 1;
  }
  for (size_t i = 0; i < 3; i += 1) {
    EXPECT(viewersOf[i] >= 7 && viewersOf[i] <= 10);
    EXPECT(bench.shards[i]->bytes == bench.shards[0]->bytes);
  }
}

TEST("sender reports get rarer with the number of viewers of a thread, but not the first ones of a viewer") {
  EXPECT_EQ(ReportTiming::intervalUs(1), 1'000'000);
  EXPECT_EQ(ReportTiming::intervalUs(250), 2'500'000);
  EXPECT_EQ(ReportTiming::intervalUs(100'000), 5'000'000);
  struct Case {
    int viewers;
    /** Of each viewer in 20 s, whatever chance makes of the interval. */
    size_t least;
    size_t most;
  };
  for (const Case& each : {Case{4, 15, 25}, Case{300, 5, 9}}) {
    ShardedBench bench(1);
    const auto sendFor = [&](int64_t us) {
      for (const int64_t untilUs = bench.nowUs + us; bench.nowUs < untilUs;) {
        bench.sendVideo(true);
        bench.run(100'000);
      }
    };
    for (int i = 0; i < each.viewers; i += 1) {
      bench.addViewer();
    }
    sendFor(3'000'000);
    for (auto& viewer : bench.viewers) {
      EXPECT(viewer.rtcp >= ReportTiming::kFirstReports);
      viewer.rtcp = 0;
    }
    sendFor(20'000'000);
    size_t sum = 0;
    for (const auto& viewer : bench.viewers) {
      EXPECT(viewer.rtcp >= each.least && viewer.rtcp <= each.most);
      sum += viewer.rtcp;
    }
    EXPECT(sum <= 20 * ReportTiming::kPerSecond * 11 / 10);
  }
}

TEST("few viewers stay in one shard, and frames do not wake the others") {
  ShardedBench bench(3);
  for (size_t i = 0; i < MediaCore::kViewersPerShard; i += 1) {
    bench.addViewer();
  }
  bench.sendVideo(true);
  bench.run();
  EXPECT_EQ(bench.shards[0]->urgentFrames, 1);
  EXPECT_EQ(bench.shards[1]->urgentFrames + bench.shards[2]->urgentFrames, 0);
  for (const auto& viewer : bench.viewers) {
    EXPECT(viewer.shards == std::set<size_t>{0});
  }
  // Who leaves makes room, so that the next one needs no other shard.
  bench.core->closeEndpoint(endpointOf(0));
  bench.addViewer();
  bench.sendVideo(true);
  bench.run();
  EXPECT(bench.viewers.back().shards == std::set<size_t>{0});
}

TEST("keyframe requests of all shards are coalesced, and one that waits is not lost") {
  ShardedBench bench(3);
  for (int i = 0; i < 12; i += 1) {
    bench.addViewer();
  }
  bench.run();
  bench.sendVideo(true);
  bench.run(2'000'000);
  int& wanted = bench.events.keyframesWanted[kVideo];
  wanted = 0;
  for (uint32_t i = 0; i < 12; i += 1) {
    bench.sendPli(i);
  }
  bench.run();
  EXPECT_EQ(wanted, 1);
  bench.run(1'000'000);
  EXPECT_EQ(wanted, 2);
  // A keyframe has come, and nobody has asked since.
  bench.sendVideo(true);
  bench.run(5'000'000);
  EXPECT_EQ(wanted, 2);
}

TEST("RTCP reaches the shard of its viewer alone, and is dropped and counted if that has no time") {
  ShardedBench bench(3);
  for (int i = 0; i < 12; i += 1) {
    bench.addViewer();
  }
  bench.run();
  bench.sendVideo(true);
  bench.run(100'000);
  for (uint32_t i = 0; i < 12; i += 1) {
    std::vector<uint8_t> nack = fromHex("81cd0003 00000001 00001000 0000 0000");
    writeU16(&nack[12], bench.viewers[i].lastSequence);
    bench.sendRtcp(i, nack);
  }
  bench.run(100'000);
  for (const auto& viewer : bench.viewers) {
    EXPECT_EQ(viewer.retransmissions, 1);
    EXPECT_EQ(viewer.stats->nacksReceived, 1);
  }
  for (const auto& shard : bench.shards) {
    shard->takesRtcp = false;
  }
  bench.sendPli(3);
  bench.run();
  EXPECT_EQ(bench.stats.droppedRtcp, 1);
  EXPECT_EQ(bench.viewers[3].stats->plisReceived, 0);
}

TEST("a viewer of any shard changes its producer, its address and its rate, pauses, and goes with a BYE") {
  ShardedBench bench(3);
  for (int i = 0; i < 12; i += 1) {
    bench.addViewer();
  }
  bench.core->createProducer(kSmallVideo, {});
  bench.run();
  bench.sendVideo(true);
  bench.run(100'000);
  for (uint32_t i = 0; i < 12; i += 1) {
    bench.core->switchConsumer(consumerOf(i), kSmallVideo, bench.nowUs);
    bench.core->setTargetBitrate(consumerOf(i), 1e6);
  }
  bench.run();
  EXPECT_EQ(bench.events.keyframesWanted[kSmallVideo], 1);
  bench.sendVideo(true, kSmallVideo);
  bench.run(100'000);
  EXPECT_EQ(bench.events.switches.size(), 12);
  bench.core->closeProducer(kVideo, bench.nowUs);
  bench.core->pauseConsumer(consumerOf(5));
  bench.run();
  bench.sendVideo(false, kSmallVideo);
  bench.run(100'000);
  for (uint32_t i = 0; i < 12; i += 1) {
    EXPECT_EQ(bench.viewers[i].pictures, i == 5 ? 2 : 3);
    EXPECT_EQ(bench.viewers[i].undecryptable, 0);
  }
  const size_t before = bench.viewers[7].rtcp;
  bench.core->closeConsumer(consumerOf(7));
  bench.core->closeConsumer(consumerOf(7));
  bench.run();
  EXPECT_EQ(bench.viewers[7].rtcp, before + 1);
  bench.core->closeEndpoint(endpointOf(6));
  bench.sendVideo(false, kSmallVideo);
  bench.run(100'000);
  EXPECT_EQ(bench.viewers[6].pictures, 3);
  EXPECT_EQ(bench.viewers[7].pictures, 3);
  EXPECT_EQ(bench.viewers[8].pictures, 4);
  // What is said of it later is nobody's.
  const uint64_t unknown = bench.stats.droppedUnknownSource;
  bench.sendPli(6);
  EXPECT_EQ(bench.stats.droppedUnknownSource, unknown + 1);
}

TEST("media follows a viewer of another shard to the pair that is selected later") {
  ShardedBench bench(2);
  for (int i = 0; i < 6; i += 1) {
    bench.addViewer();
  }
  bench.run();
  bench.sendVideo(true);
  bench.run(100'000);
  // The address is that of a seventh viewer, who has not come.
  bench.viewers.push_back({*SrtpReceiver::create(SrtpProfile::kAeadAes128Gcm, masterOf(6)),
                           *SrtpSender::create(SrtpProfile::kAeadAes128Gcm, masterOf(106))});
  bench.select(5, addressOf(6));
  bench.sendVideo(false);
  bench.run(100'000);
  EXPECT_EQ(bench.viewers[5].pictures, 1);
  EXPECT_EQ(bench.viewers[6].pictures, 1);
  EXPECT(bench.viewers[6].shards == bench.viewers[5].shards);
}

}  // namespace streamkit::test
