#include <deque>

#include "io/io_thread.h"
#include "srtp_receiver.h"
#include "stun_message_builder.h"
#include "tcp_peer.h"
#include "thread_bench.h"

#ifdef __linux__

namespace streamkit::test {

TEST(
    "viewers over TCP get whole packets from the thread that answers checks and from those that send media") {
  constexpr uint32_t kViewers = 6;
  constexpr size_t kFrames = 100;
  Waiter waiter;
  EventQueue events([&] { waiter.wake(); });
  IoThread thread(options(), true, events, 2);
  const auto listening = thread.listen(*SocketAddress::fromText("127.0.0.1", 0));
  EXPECT_EQ(listening.error, 0);
  const auto taken = thread.listen(*SocketAddress::fromText("127.0.0.1", listening.port));
  EXPECT_EQ(taken.error, EADDRINUSE);
  thread.post([](MediaCore& core, int64_t) { core.createProducer(1, {}); });
  std::deque<TcpPeer> peers;
  std::vector<std::shared_ptr<ConsumerStats>> stats;
  const auto receive = [](TcpPeer& peer) {
    std::vector<std::vector<uint8_t>> packets;
    const int64_t untilUs = monotonicUs() + kPatienceUs;
    while (packets.empty() && monotonicUs() < untilUs) {
      packets = peer.receive();
    }
    return packets;
  };
  for (uint32_t i = 0; i < kViewers; i += 1) {
    TcpPeer& peer = peers.emplace_back(listening.port);
    const std::string ufrag = "u" + std::to_string(i);
    StunTransactionId id{};
    writeU32(id.data(), i);
    thread.post([=](MediaCore& core, int64_t) {
      core.createEndpoint(100 + i, ufrag, "ours");
      core.setRemoteCredentials(100 + i, "theirs", "their-password");
    });
    peer.send(viewerCheck(ufrag, "ours", i));
    awaitEvent(events, waiter, Event::Type::kPacket);
    thread.postPacket(100 + i, listening.socket, peer.local(),
                      nominatingRequest(id, "theirs:" + ufrag, "their-password"));
    EXPECT_EQ(receive(peer).size(), 1);
    peer.send(authenticResponse(id, "their-password"));
    awaitEvent(events, waiter, Event::Type::kPacket);
    stats.push_back(std::make_shared<ConsumerStats>());
    thread.post([=, one = stats.back()](MediaCore& core, int64_t nowUs) {
      core.createTransport(200 + i, 100 + i, *SrtpSession::create(srtpParameters(4)),
                           std::make_shared<TransportStats>());
      ConsumerParameters consumer;
      consumer.ssrc = 5;
      consumer.targetBitrateBps = 100e6;
      core.consume(300 + i, 200 + i, 1, consumer, one, nowUs);
    });
  }
  size_t media = 0;
  size_t answers = 0;
  const auto readAll = [&] {
    for (TcpPeer& peer : peers) {
      for (const auto& packet : peer.receive()) {
        media += packetKindOf(packet) == PacketKind::kRtp ? 1 : 0;
        answers += packetKindOf(packet) == PacketKind::kStun ? 1 : 0;
      }
    }
  };
  for (size_t i = 0; i < kFrames; i += 1) {
    thread.postFrame(1, frameOf(20, i == 0));
    for (uint32_t viewer = 0; viewer < kViewers; viewer += 1) {
      // The pair is settled: the plane itself answers such a check.
      peers[viewer].send(viewerCheck("u" + std::to_string(viewer), "ours", static_cast<uint32_t>(i)));
    }
    readAll();
  }
  const auto isDone = [&] {
    uint64_t sent = 0;
    uint64_t frames = 0;
    for (const auto& one : stats) {
      sent += one->packetsSent;
      // A frame that is dropped half-way leaves packets, which may make up for a whole one.
      frames += one->packetsSent / 20 + one->framesDropped;
    }
    return answers == kViewers * kFrames && media == sent && frames >= kViewers * kFrames;
  };
  const int64_t untilUs = monotonicUs() + kPatienceUs;
  while (!isDone() && monotonicUs() < untilUs) {
    readAll();
  }
  EXPECT(isDone());
  EXPECT(media >= 20 * kViewers);
  // A viewer leaves while it is sent something, and the plane ends while others are.
  peers.front().close();
  thread.postFrame(1, frameOf(20, true));
  thread.postFrame(1, frameOf(20, false));
  for (TcpPeer& peer : peers) {
    EXPECT(peer.isIntact());
  }
  thread.stop();
}

}  // namespace streamkit::test

#endif
