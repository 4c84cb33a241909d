#include <thread>

#include "relay_bench.h"
#include "test.h"

#ifdef __linux__

namespace streamkit::test {
namespace {

const Certificate& certificate() {
  static const Certificate made = makeCertificate(false, "DNS:turn.test");
  return made;
}

std::unique_ptr<TlsClient> clientOf(const std::string& name) {
  return std::make_unique<TlsClient>(TlsContext::create(certificate().certificatePem, false), name);
}

std::vector<uint8_t> padded(std::vector<uint8_t> message) {
  message.resize((message.size() + 3) / 4 * 4);
  return message;
}

/** A plane that has asked a TURN server over TLS for something. */
class TlsRelayBench : public RelayBench {
 public:
  explicit TlsRelayBench(int version = 0, const std::string& name = "turn.test")
      : tls(certificate(), version),
        server(&tls),
        dialled(relays.dial(1, server.local(), clientOf(name))),
        request(StunMessageBuilder(StunClass::kRequest, {7}).bytes()) {
    EXPECT_EQ(dialled.error, 0);
    relays.bind(dialled.socket, kChannel, peer);
    relays.sendToServer(dialled.socket, request);
    server.accept();
  }

  /** What the server has got, once it is that many messages. */
  bool receive(size_t count) {
    return await([&] {
      for (auto& message : server.receive()) {
        got.push_back(std::move(message));
      }
      return got.size() >= count;
    });
  }
  bool connect() { return receive(1) && got[0] == request; }
  void send(Bytes media) { sockets.send(dialled.socket, peer, media, 1001); }
  bool isBlocked() const { return sockets.blocked(dialled.socket, peer); }

  TlsPeer tls;
  TcpServer server;
  RelaySockets::Opened dialled;
  std::vector<uint8_t> request;
  std::vector<std::vector<uint8_t>> got;
};

}  // namespace

TEST("a TURN server over TLS is sent whole messages, and media waits or is dropped while it reads none") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsRelayBench bench(version);
    EXPECT(bench.connect() && bench.tls.version() == version);
    auto stream = padded(channelData(kChannel, viewerCheck("u1", "ours")));
    const auto answer = StunMessageBuilder(StunClass::kSuccess, {7}).bytes();
    stream.insert(stream.end(), answer.begin(), answer.end());
    bench.server.send(stream);
    EXPECT(bench.await([&] { return bench.answers.messages.size() == 1; }));
    EXPECT(bench.answers.messages[0] == answer && bench.core.knows(bench.dialled.socket, bench.peer));

    const std::vector<uint8_t> media(2 * 1001 + 7, 9);
    const uint64_t calls = bench.stats.sendCalls;
    bench.send(media);
    EXPECT_EQ(bench.stats.sendCalls, calls + 1);
    EXPECT(bench.receive(4));
    EXPECT(bench.got[1] == padded(channelData(kChannel, Bytes(media).first(1001))));
    EXPECT(bench.got[2] == bench.got[1]);
    EXPECT(bench.got[3] == padded(channelData(kChannel, Bytes(media).first(7))));

    size_t packets = bench.got.size();
    for (; bench.stats.sendErrors == 0 && packets < 100'000; packets += 3) {
      bench.send(media);
    }
    EXPECT(bench.isBlocked() && bench.stats.sendErrors == 3);
    // What was dropped has no record, so that the others can be read.
    EXPECT(bench.receive(packets - 3) && bench.got.size() == packets - 3);
    EXPECT(bench.await([&] { return !bench.isBlocked(); }));
    bench.send(media);
    EXPECT(bench.receive(packets));
    EXPECT(bench.answers.ended.empty());
    bench.relays.close(bench.dialled.socket, bench.core, bench.nowUs);
    bench.server.receive();
    EXPECT(bench.tls.isClosed());
  }
}

TEST("the end of a TLS connection to a TURN server is told of with its reason") {
  const auto reasonOf = [](TlsRelayBench& bench, bool isAnswering = true) {
    EXPECT(bench.await([&] {
      if (isAnswering) {
        bench.server.receive();
      }
      return bench.answers.ended.size() == 1;
    }));
    EXPECT(!bench.core.knows(bench.dialled.socket, bench.peer));
    bench.send(fromHex("16fefd"));
    return bench.answers.reasons.empty() ? "" : bench.answers.reasons[0];
  };
  TlsRelayBench other(0, "other.test");
  EXPECT(reasonOf(other) == "the certificate of the TLS server is refused: hostname mismatch");
  EXPECT(other.got.empty() && other.tls.hasFailed());
  // Of what a viewer sends the last record is not whole.
  TlsRelayBench cut;
  EXPECT(cut.connect());
  cut.tls.send(padded(channelData(kChannel, viewerCheck("u1", "ours"))));
  std::vector<uint8_t> records = cut.tls.takeRecords();
  const size_t whole = records.size();
  cut.tls.send(padded(channelData(kChannel, viewerCheck("u1", "ours", 2))));
  const std::vector<uint8_t> more = cut.tls.takeRecords();
  records.insert(records.end(), more.begin(), more.begin() + 30);
  cut.server.sendRaw(records);
  EXPECT(records.size() > whole && cut.await([&] { return cut.events.packets.size() == 1; }));
  cut.server.end();
  EXPECT(reasonOf(cut) == "the connection has ended");
  EXPECT_EQ(cut.events.packets.size(), 1);
  TlsRelayBench closing;
  EXPECT(closing.connect());
  closing.tls.close();
  closing.server.sendRaw(closing.tls.takeRecords());
  EXPECT(reasonOf(closing) == "the server has closed the TLS connection");
  TlsRelayBench stranger;
  EXPECT(stranger.connect());
  stranger.server.send(fromHex("5353482d"));
  EXPECT(reasonOf(stranger) == "the server sends what is not TURN");
  TlsRelayBench plain;
  plain.server.sendRaw(fromHex("5353482d322e302d4f70656e535348"));
  EXPECT(reasonOf(plain, false).starts_with("TLS has failed: "));
}

TEST("a TLS connection that has ended before anything is received is told of with its reason") {
  RelayBench bench;
  TcpServer server;
  const auto dialled = bench.relays.dial(1, server.local(), clientOf(""));
  server.accept();
  bench.relays.sendToServer(dialled.socket, StunMessageBuilder(StunClass::kRequest, {7}).bytes());
  EXPECT(bench.await([&] { return bench.answers.ended.size() == 1; }));
  EXPECT(bench.answers.reasons.size() == 1 &&
         bench.answers.reasons[0] == "TLS cannot be set up for the name ");
}

TEST("of many handshakes of TLS a few are served in one turn, and the others in the next ones") {
  constexpr uint32_t kConnections = 10;
  constexpr ptrdiff_t kServedAtOnce = 4;
  RelayBench bench;
  std::vector<std::unique_ptr<TlsPeer>> peers;
  std::vector<std::unique_ptr<TcpServer>> servers;
  for (uint32_t i = 0; i < kConnections; i += 1) {
    peers.push_back(std::make_unique<TlsPeer>(certificate()));
    servers.push_back(std::make_unique<TcpServer>(peers.back().get()));
    const auto dialled = bench.relays.dial(10 + i, servers.back()->local(), clientOf("turn.test"));
    bench.relays.sendToServer(dialled.socket, StunMessageBuilder(StunClass::kRequest, {7}).bytes());
    servers.back()->accept();
  }
  const auto sent = [&] {
    return std::ranges::count_if(servers, [](const auto& server) { return server->isSent(); });
  };
  EXPECT(bench.await([&] { return sent() == kConnections; }));
  for (const auto& server : servers) {
    // All of it is there at once.
    server->pieceBytes = 16 * 1024;
    server->receive();
  }
  bench.relays.run(bench.core, bench.nowUs);
  EXPECT(sent() <= kServedAtOnce);
  EXPECT(bench.await([&] { return sent() == kConnections; }));
  EXPECT(bench.answers.ended.empty());
}

TEST("a TURN server that wants new keys and reads nothing costs no more memory than others") {
  TlsRelayBench bench(TLS1_3_VERSION);
  EXPECT(bench.connect());
  const std::vector<uint8_t> media(1001, 9);
  while (bench.stats.sendErrors == 0) {
    bench.send(media);
  }
  size_t asked = 0;
  for (; bench.answers.ended.empty() && asked < 10'000; asked += 1) {
    bench.tls.updateKey();
    bench.server.sendRaw(bench.tls.takeRecords());
    bench.relays.run(bench.core, bench.nowUs);
  }
  // The first ones are answered: there is room for that.
  EXPECT(asked > 10 && bench.answers.ended.size() == 1);
  EXPECT(!bench.answers.reasons.empty() && bench.answers.reasons[0] == "the server reads nothing");
}

TEST("several threads send by one TLS connection while another receives") {
  constexpr size_t kThreads = 2;
  constexpr size_t kSends = 200;
  TlsRelayBench bench;
  EXPECT(bench.connect());
  PlaneStats stats[kThreads];
  std::vector<std::thread> threads;
  for (PlaneStats& own : stats) {
    threads.emplace_back([&] {
      const std::vector<uint8_t> media(3 * 1001, 9);
      for (size_t i = 0; i < kSends; i += 1) {
        bench.relays.send(bench.dialled.socket, bench.peer, media, 1001, own);
      }
    });
  }
  const auto check = padded(channelData(kChannel, viewerCheck("u1", "ours")));
  for (size_t i = 0; i < 20; i += 1) {
    bench.server.send(check);
    EXPECT(bench.await([&] { return bench.events.packets.size() == i + 1; }));
    bench.receive(0);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  const uint64_t sent = stats[0].packetsSent + stats[1].packetsSent;
  EXPECT_EQ(sent + stats[0].sendErrors + stats[1].sendErrors, kThreads * kSends * 3);
  EXPECT(bench.receive(1 + sent));
  EXPECT(std::all_of(bench.got.begin() + 1, bench.got.end(),
                     [](const auto& message) { return message.size() == padded(message).size(); }));
  EXPECT(bench.answers.ended.empty());
}

}  // namespace streamkit::test

#endif
