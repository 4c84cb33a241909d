#include "io/tcp_sockets.h"

#include <deque>

#include "io/send_sockets.h"
#include "payload_frame.h"
#include "srtp_receiver.h"
#include "tcp_peer.h"
#include "test.h"
#include "virtual_network.h"

#ifdef __linux__

namespace streamkit::test {
namespace {

constexpr int kPatienceMs = 30'000;

SrtpParameters srtpParameters(uint8_t fill) {
  SrtpParameters srtp;
  srtp.local.key.fill(fill);
  srtp.remote.key.fill(static_cast<uint8_t>(fill + 1));
  return srtp;
}

struct NoRelayAnswers final : RelaySockets::Listener {
  void onRelayAnswer(uint32_t, int, Bytes) override {}
  void onRelayEnded(uint32_t, int, const std::string&) override {}
};

/** A core with a TCP port: real connections, virtual time. */
class TcpBench {
 public:
  explicit TcpBench(size_t maxUnproven = TcpSockets::kMaxUnproven)
      : tcp(stats, maxUnproven),
        relays(answers, true, stats),
        sockets(tcp, relays, stats),
        core({0, 7}, sockets, events, stats),
        listening(tcp.listen(*SocketAddress::fromText("127.0.0.1", 0))) {
    EXPECT_EQ(listening.error, 0);
    addViewer(1);
  }

  void addViewer(uint32_t id) {
    core.createEndpoint(id, "u" + std::to_string(id), "ours");
    core.setRemoteCredentials(id, "theirs", "their-password");
  }

  /** Lets the sockets work until it is so, or patience ends. */
  template <typename Condition>
  bool await(Condition&& condition) {
    for (int waited = 0; waited < kPatienceMs; waited += 10) {
      tcp.run(core, nowUs);
      if (condition()) {
        return true;
      }
      pollfd fd{tcp.pollFd(), POLLIN, 0};
      poll(&fd, 1, 10);
    }
    return false;
  }
  bool awaitEnd(TcpPeer& peer) {
    return await([&] {
      peer.receive();
      return peer.isEnded();
    });
  }

  /** The viewer is sent media by this connection from now on. */
  void nominate(uint32_t id, TcpPeer& peer) {
    const size_t before = events.packets.size();
    peer.send(viewerCheck("u" + std::to_string(id), "ours", ++number_));
    EXPECT(await([&] { return events.packets.size() > before; }));
    StunTransactionId transaction{};
    writeU32(transaction.data(), ++number_);
    const auto request = nominatingRequest(transaction, "theirs:u" + std::to_string(id), "their-password");
    core.sendPacket(id, listening.socket, peer.local(), request, nowUs);
    EXPECT(await([&] { return !peer.receive().empty(); }));
    peer.send(authenticResponse(transaction, "their-password"));
    EXPECT(await([&] { return events.packets.size() > before + 1; }));
  }

  std::shared_ptr<ConsumerStats> consume(uint32_t viewer) {
    auto consumerStats = std::make_shared<ConsumerStats>();
    core.createTransport(100 + viewer, viewer, *SrtpSession::create(srtpParameters(4)),
                         std::make_shared<TransportStats>());
    ConsumerParameters parameters;
    parameters.ssrc = 5;
    parameters.targetBitrateBps = 20e6;
    EXPECT(core.consume(200 + viewer, 100 + viewer, 50, parameters, consumerStats, nowUs));
    return consumerStats;
  }

  /**
   * Sends a frame, and what is due until the next one.
   * @param hasArrived time goes on when it is so, for real connections need real time
   */
  template <typename Condition>
  void frame(bool keyframe, Condition&& hasArrived) {
    EncodedFrame encoded = payloadFrame(20, 1000, keyframe);
    encoded.rtpTimestamp = static_cast<uint32_t>(nowUs * 9 / 100);
    core.sendFrame(50, std::move(encoded), false, nowUs);
    const int64_t endUs = nowUs + 33'000;
    while (nowUs < endUs) {
      core.advance(nowUs, 10'000);
      EXPECT(await(hasArrived));
      nowUs += 1'000;
    }
  }

  PlaneStats stats;
  TcpSockets tcp;
  NoRelayAnswers answers;
  RelaySockets relays;
  SendSockets sockets;
  EventLog events;
  MediaCore core;
  TcpSockets::Listening listening;
  int64_t nowUs = 1'000'000;

 private:
  uint32_t number_ = 0;
};

size_t rtpOf(const std::vector<std::vector<uint8_t>>& packets) {
  return static_cast<size_t>(std::count_if(packets.begin(), packets.end(), [](const auto& packet) {
    return packetKindOf(packet) == PacketKind::kRtp;
  }));
}

}  // namespace

TEST("a check that comes byte by byte over TCP reaches the viewer's agent") {
  TcpBench bench;
  TcpPeer peer(bench.listening.port);
  EXPECT(peer.isConnected());
  const auto check = viewerCheck("u1", "ours");
  for (const uint8_t byte : TcpPeer::framed(check)) {
    EXPECT(bench.events.packets.empty());
    peer.sendBytes(Bytes(&byte, 1));
    bench.await([] { return true; });
  }
  EXPECT(bench.await([&] { return bench.events.packets.size() == 1; }));
  EXPECT(bench.events.packets[0].from == peer.local());
  EXPECT(bench.events.packets[0].data == check);
  EXPECT_EQ(bench.stats.tcpConnections, 1);
  EXPECT(bench.core.knows(bench.listening.socket, peer.local()));
  // The same address over UDP is somebody else.
  EXPECT(!bench.core.knows(0, peer.local()));
}

TEST("a TCP connection that is no viewer's is closed by its first packet") {
  const auto request = [](const char* text) {
    return std::vector<uint8_t>(text, text + std::char_traits<char>::length(text));
  };
  const std::vector<std::vector<uint8_t>> streams{
      request("GET / HTTP/1.1\r\n\r\n"),
      fromHex("16030100c8 010000c40303"),
      TcpPeer::framed(viewerCheck("nobody", "ours")),
      TcpPeer::framed(viewerCheck("u1", "wrong")),
      TcpPeer::framed(fromHex("8000000000000000")),
      TcpPeer::framed(fromHex("16fefd00")),
      TcpPeer::framed(std::vector<uint8_t>(2049)),
  };
  TcpBench bench;
  for (size_t i = 0; i < streams.size(); i += 1) {
    TcpPeer peer(bench.listening.port);
    peer.sendBytes(streams[i]);
    EXPECT(bench.awaitEnd(peer));
    EXPECT_EQ(bench.stats.tcpRefused, i + 1);
    EXPECT_EQ(bench.stats.tcpConnections, 0);
  }
  EXPECT(bench.events.packets.empty());
}

TEST("a TCP connection that proves nothing is closed in time") {
  TcpBench bench;
  TcpPeer silent(bench.listening.port);
  TcpPeer slow(bench.listening.port);
  EXPECT(bench.await([&] { return bench.stats.tcpConnections == 2; }));
  slow.sendBytes(Bytes(TcpPeer::framed(viewerCheck("u1", "ours"))).first(30));
  bench.nowUs += TcpSockets::kProofLimitUs - 1;
  bench.await([] { return true; });
  EXPECT_EQ(bench.stats.tcpConnections, 2);
  bench.nowUs += TcpSockets::kSweepIntervalUs;
  EXPECT(bench.awaitEnd(silent));
  EXPECT(bench.awaitEnd(slow));
  EXPECT_EQ(bench.stats.tcpConnections, 0);
}

TEST("one address has few TCP connections that prove nothing, and the oldest makes room for one more") {
  TcpBench bench;
  std::deque<TcpPeer> peers;
  for (size_t i = 0; i < TcpSockets::kMaxUnprovenPerNetwork; i += 1) {
    peers.emplace_back(bench.listening.port);
  }
  EXPECT(bench.await([&] { return bench.stats.tcpConnections == peers.size(); }));
  // Its proof is there when room is needed, though it has not been read.
  peers.front().send(viewerCheck("u1", "ours"));
  TcpPeer further(bench.listening.port);
  EXPECT(bench.await([&] { return bench.stats.tcpConnections == peers.size() + 1; }));
  EXPECT_EQ(bench.events.packets.size(), 1);
  EXPECT_EQ(bench.stats.tcpRefused, 0);
  TcpPeer viewer(bench.listening.port);
  viewer.send(viewerCheck("u1", "ours", 2));
  EXPECT(bench.awaitEnd(peers[1]));
  EXPECT(bench.await([&] { return bench.events.packets.size() == 2; }));
  EXPECT_EQ(bench.stats.tcpRefused, 1);
  for (TcpPeer* const open : {&peers.front(), &peers.back(), &further, &viewer}) {
    open->receive();
    EXPECT(!open->isEnded());
  }
}

TEST("of all TCP connections that prove nothing the oldest makes room, and a host is its /64") {
  TcpBench bench(3);
  std::deque<TcpPeer> peers;
  for (const char* const host : {"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"}) {
    peers.emplace_back(bench.listening.port, 0, SocketAddress::fromText(host, 0));
    EXPECT(bench.await([&] { return bench.stats.tcpConnections == std::min<size_t>(peers.size(), 3); }));
  }
  EXPECT(bench.awaitEnd(peers.front()));
  EXPECT_EQ(bench.stats.tcpRefused, 1);
  for (size_t i = 1; i < peers.size(); i += 1) {
    peers[i].receive();
    EXPECT(!peers[i].isEnded());
  }
  const auto networkOf = [](const char* text) { return SocketAddress::fromText(text, 7)->network(); };
  EXPECT(networkOf("2001:db8:1:2::3") == networkOf("2001:db8:1:2:ffff::4"));
  EXPECT(!(networkOf("2001:db8:1:2::3") == networkOf("2001:db8:1:3::3")));
  EXPECT(!(networkOf("192.0.2.1") == networkOf("192.0.2.2")));
}

TEST("a TCP connection from the port of one that has just ended takes its place") {
  TcpBench bench;
  TcpPeer before(bench.listening.port);
  bench.nominate(1, before);
  bench.await([] { return true; });
  // The new ones are accepted before the end of the old one is read.
  TcpPeer other(bench.listening.port);
  before.reset();
  TcpPeer after(bench.listening.port, 0, before.local());
  EXPECT(after.local() == before.local());
  EXPECT(bench.await([&] { return bench.stats.tcpConnections == 2; }));
  EXPECT(!bench.core.knows(bench.listening.socket, after.local()));
  bench.nominate(1, after);
  EXPECT_EQ(bench.stats.tcpConnections, 2);
}

TEST("a viewer has few TCP connections: those it was not heard by for longest are closed") {
  TcpBench bench;
  std::deque<TcpPeer> peers;
  for (uint32_t i = 0; i < Endpoint::kMaxAddresses + 3; i += 1) {
    bench.nowUs += 1;
    peers.emplace_back(bench.listening.port).send(viewerCheck("u1", "ours", i));
    EXPECT(bench.await([&] { return bench.events.packets.size() == i + 1; }));
  }
  EXPECT_EQ(bench.stats.tcpConnections, Endpoint::kMaxAddresses);
  for (size_t i = 0; i < peers.size(); i += 1) {
    if (i < 3) {
      EXPECT(bench.awaitEnd(peers[i]));
    }
    peers[i].receive();
    EXPECT_EQ(peers[i].isEnded(), i < 3);
  }
  EXPECT_EQ(bench.stats.tcpRefused, 0);
}

TEST("the TCP connections of a viewer that is gone are closed") {
  TcpBench bench;
  TcpPeer peer(bench.listening.port);
  peer.send(viewerCheck("u1", "ours"));
  EXPECT(bench.await([&] { return bench.events.packets.size() == 1; }));
  bench.core.closeEndpoint(1);
  bench.nowUs += TcpSockets::kSweepIntervalUs;
  EXPECT(bench.awaitEnd(peer));
  EXPECT_EQ(bench.stats.tcpConnections, 0);
  EXPECT_EQ(bench.stats.tcpRefused, 0);
}

TEST("a viewer that reads slowly over TCP loses pictures up to a keyframe, and others lose none") {
  TcpBench bench;
  bench.addViewer(2);
  bench.core.createProducer(50, {});
  TcpPeer slow(bench.listening.port, 4096);
  TcpPeer quick(bench.listening.port);
  bench.nominate(1, slow);
  bench.nominate(2, quick);
  const auto slowStats = bench.consume(1);
  const auto quickStats = bench.consume(2);
  constexpr int kFrames = 300;
  size_t quickPackets = 0;
  for (int i = 0; i < kFrames; i += 1) {
    bench.frame(i == 0, [&] {
      quickPackets += rtpOf(quick.receive());
      return quickPackets == quickStats->packetsSent &&
             !bench.tcp.blocked(bench.listening.socket, quick.local());
    });
  }
  EXPECT_EQ(quickPackets, 20 * kFrames);
  EXPECT_EQ(quickStats->framesDropped, 0);
  EXPECT(quick.isIntact());
  EXPECT(slowStats->framesDropped > kFrames / 2);
  EXPECT(bench.events.keyframesWanted[50] > 0);
  // It reads again: all that comes is whole, in order and authentic, and goes on with the keyframe.
  auto srtp = SrtpReceiver::create(SrtpProfile::kAeadAes128Gcm, srtpParameters(4).local);
  std::vector<uint16_t> numbers;
  const auto read = [&] {
    for (auto& packet : slow.receive()) {
      if (packetKindOf(packet) == PacketKind::kRtp) {
        EXPECT(srtp->unprotect(packet).has_value());
        numbers.push_back(readU16(&packet[2]));
      }
    }
    return numbers.size() == slowStats->packetsSent &&
           !bench.tcp.blocked(bench.listening.socket, slow.local());
  };
  EXPECT(bench.await(read));
  const uint64_t sentBefore = slowStats->packetsSent;
  for (const bool keyframe : {true, false}) {
    bench.frame(keyframe, read);
  }
  EXPECT_EQ(slowStats->packetsSent, sentBefore + 40);
  EXPECT(slow.isIntact());
  for (size_t i = 1; i < numbers.size(); i += 1) {
    EXPECT_EQ(static_cast<uint16_t>(numbers[i] - numbers[i - 1]), 1);
  }
}

TEST("a viewer whose TCP connection ends gets media by the next one") {
  TcpBench bench;
  bench.core.createProducer(50, {});
  TcpPeer first(bench.listening.port);
  bench.nominate(1, first);
  const auto stats = bench.consume(1);
  size_t packets = 0;
  const auto arrivesAt = [&](TcpPeer& peer) {
    return [&] {
      packets += rtpOf(peer.receive());
      return packets == stats->packetsSent && !bench.tcp.blocked(bench.listening.socket, peer.local());
    };
  };
  bench.frame(true, arrivesAt(first));
  EXPECT_EQ(packets, 20);
  first.close();
  EXPECT(bench.await([&] { return bench.stats.tcpConnections == 0; }));
  bench.frame(true, [] { return true; });
  EXPECT_EQ(stats->packetsSent, 20);
  TcpPeer second(bench.listening.port);
  bench.nominate(1, second);
  packets += rtpOf(second.receive());
  bench.frame(true, arrivesAt(second));
  EXPECT_EQ(packets, 40);
}

}  // namespace streamkit::test

#endif
