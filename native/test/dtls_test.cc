#include <random>

#include "core/dtls_registry.h"
#include "dtls_certificate.h"
#include "io/clock.h"
#include "test.h"
#include "virtual_network.h"

namespace streamkit::test {
namespace {

constexpr int64_t kDelayUs = 20'000;

using Records = std::vector<std::vector<uint8_t>>;

const Certificate& ours() {
  static const Certificate made = makeCertificate();
  return made;
}

const Certificate& theirs() {
  static const Certificate made = makeCertificate();
  return made;
}

/** One end of a virtual path: what it sends arrives at the other end after a delay, unless it is lost. */
struct End : DtlsEndpoint::Listener {
  explicit End(std::shared_ptr<DtlsContext> context) { registry.setContext(std::move(context)); }

  void onDtlsDatagram(uint32_t, Bytes datagram) override {
    EXPECT(datagram.size() <= DtlsContext::kMtuBytes);
    sent += 1;
    if (std::uniform_real_distribution<>(0, 1)(random) >= loss) {
      underWay.push_back({*nowUs + kDelayUs, {datagram.begin(), datagram.end()}});
    }
  }
  void onDtlsConnected(uint32_t, SrtpSession keys) override {
    connectedAtUs = *nowUs;
    srtp = std::move(keys);
  }
  void onDtlsData(uint32_t, Bytes data) override { received.emplace_back(data.begin(), data.end()); }
  void onDtlsEnded(uint32_t, DtlsFault fault) override {
    EXPECT(!ended.has_value());
    ended = fault;
  }

  const int64_t* nowUs = nullptr;
  std::mt19937 random{1};
  double loss = 0;
  size_t sent = 0;
  std::deque<std::pair<int64_t, std::vector<uint8_t>>> underWay;
  std::optional<int64_t> connectedAtUs;
  std::optional<SrtpSession> srtp;
  std::vector<std::vector<uint8_t>> received;
  std::optional<DtlsFault> ended;
  DtlsRegistry registry{*this};
};

struct Path {
  static constexpr uint32_t kId = 1;

  Path() : Path(contextOf(ours()), contextOf(theirs())) {}
  Path(std::shared_ptr<DtlsContext> serverContext, std::shared_ptr<DtlsContext> clientContext)
      : server(std::move(serverContext)), client(std::move(clientContext)) {
    server.nowUs = &nowUs;
    client.nowUs = &nowUs;
  }

  void start(const std::string& expectedOfClient = theirs().fingerprint,
             const std::string& expectedOfServer = ours().fingerprint) {
    server.registry.start(kId, DtlsRole::kServer, *DtlsFingerprints::parse(expectedOfClient), nowUs);
    client.registry.start(kId, DtlsRole::kClient, *DtlsFingerprints::parse(expectedOfServer), nowUs);
  }
  static void carry(End& from, End& to, int64_t nowUs) {
    while (!from.underWay.empty() && from.underWay.front().first <= nowUs) {
      const auto datagram = std::move(from.underWay.front().second);
      from.underWay.pop_front();
      to.registry.receive(kId, datagram, nowUs);
    }
  }
  void run(int64_t us) {
    for (const int64_t untilUs = nowUs + us; nowUs < untilUs; nowUs += 1000) {
      carry(client, server, nowUs);
      carry(server, client, nowUs);
      server.registry.advance(nowUs);
      client.registry.advance(nowUs);
    }
  }
  bool isConnected() const { return server.connectedAtUs.has_value() && client.connectedAtUs.has_value(); }

  int64_t nowUs = 1'000'000;
  End server;
  End client;
};

/** Whether what the one encrypts the other decrypts. */
bool agree(SrtpSession& one, SrtpSession& other) {
  auto plain = fromHex("81ce0002 00000001 00001000");
  std::vector<uint8_t> packet(plain.size() + one.sender.rtcpOverheadBytes());
  return one.sender.protectRtcp(plain, packet.data()) && other.receiver.unprotect(packet).has_value();
}

}  // namespace

TEST("two ends connect in three flights, agree on SRTP keys and exchange data both ways") {
  Path path;
  path.start();
  path.run(200'000);
  EXPECT(path.isConnected());
  // One round trip and a half, then the server's last flight.
  EXPECT(*path.client.connectedAtUs - 1'000'000 < 5 * kDelayUs);
  auto& ofServer = path.server.srtp;
  auto& ofClient = path.client.srtp;
  EXPECT(ofServer.has_value() && ofClient.has_value());
  EXPECT(agree(*ofServer, *ofClient));
  EXPECT(agree(*ofClient, *ofServer));
  path.server.registry.send(Path::kId, fromHex("010203"));
  path.client.registry.send(Path::kId, std::vector<uint8_t>(1150, 7));
  path.run(50'000);
  EXPECT((path.client.received == Records{fromHex("010203")}));
  EXPECT_EQ(path.server.received.size(), 1);
  EXPECT_EQ(path.server.received[0].size(), 1150);
  EXPECT(!path.server.ended.has_value());
}

TEST("a handshake gets through when three of ten datagrams are lost, in whatever order") {
  for (uint32_t seed = 1; seed <= 40; seed += 1) {
    Path path;
    path.server.random.seed(seed);
    path.client.random.seed(seed + 1000);
    path.server.loss = 0.3;
    path.client.loss = 0.3;
    path.start();
    path.run(25'000'000);
    // Whether the client gets the server's last flight is not for virtual time; see the next test.
    EXPECT(path.server.connectedAtUs.has_value());
    EXPECT(!path.server.ended.has_value());
  }
}

TEST("a server whose last flight is lost sends it again when the client repeats its own") {
  Path path;
  path.start();
  while (!path.server.connectedAtUs.has_value() && path.nowUs < 5'000'000) {
    path.run(1000);
  }
  EXPECT(!path.client.connectedAtUs.has_value());
  EXPECT(!path.server.underWay.empty());
  path.server.underWay.clear();
  // In real time: the server takes what has come under the same record number for a replay.
  const int64_t offsetUs = path.nowUs - monotonicUs();
  while (!path.client.connectedAtUs.has_value() && path.nowUs < 20'000'000) {
    path.run(1000);
    path.nowUs = monotonicUs() + offsetUs;
  }
  EXPECT(path.client.connectedAtUs.has_value());
}

TEST("a large certificate is carried in fragments that fit a datagram") {
  const Certificate rsa = makeCertificate(true);
  Path path(contextOf(ours()), contextOf(rsa));
  path.start(rsa.fingerprint);
  path.run(500'000);
  EXPECT(path.isConnected());
}

TEST("a peer with another certificate than that of its description is refused, by either end") {
  Path wrongClient;
  wrongClient.start(ours().fingerprint);
  wrongClient.run(1'000'000);
  EXPECT(wrongClient.server.ended == DtlsFault::kFingerprint);
  EXPECT(!wrongClient.server.connectedAtUs.has_value());
  EXPECT(wrongClient.client.ended.has_value());
  Path wrongServer;
  wrongServer.start(theirs().fingerprint, theirs().fingerprint);
  wrongServer.run(1'000'000);
  EXPECT(wrongServer.client.ended == DtlsFault::kFingerprint);
  EXPECT(!wrongServer.client.connectedAtUs.has_value());
  EXPECT(!wrongServer.server.srtp.has_value());
}

TEST("a peer that shows a certificate without having its key is refused") {
  // The certificate of the description, signed for by another key: OpenSSL lets nobody configure it that way,
  // so the signature is broken on its way. Its bytes are in a datagram of the client's second flight.
  Path path;
  path.start();
  bool isBroken = false;
  for (int i = 0; i < 1000 && !path.server.ended.has_value(); i += 1) {
    for (auto& [atUs, datagram] : path.client.underWay) {
      // Record header of 13 bytes; handshake type 15 is CertificateVerify (RFC 5246 section 7.4).
      for (size_t at = 0; at + 13 < datagram.size() && !isBroken;) {
        const size_t length = readU16(&datagram[at + 11]);
        if (datagram[at] == 22 && datagram[at + 13] == 15) {
          datagram[at + 13 + length - 1] ^= 1;
          isBroken = true;
        }
        at += 13 + length;
      }
    }
    path.run(1000);
  }
  EXPECT(isBroken);
  EXPECT(path.server.ended == DtlsFault::kHandshake);
  EXPECT(!path.server.connectedAtUs.has_value());
}

TEST("a handshake that gets no answer ends after thirty seconds, with few retransmissions") {
  Path path;
  path.client.loss = 1;
  path.start();
  path.run(31'000'000);
  EXPECT(path.client.ended == DtlsFault::kTimeout);
  EXPECT(path.server.ended == DtlsFault::kTimeout);
  EXPECT(path.client.sent <= 22);
  EXPECT_EQ(path.server.sent, 0);
}

TEST("records that come before the start wait for it, but not any number of them") {
  Path path;
  path.client.registry.start(Path::kId, DtlsRole::kClient, *DtlsFingerprints::parse(ours().fingerprint),
                             path.nowUs);
  path.run(2'000'000);
  EXPECT_EQ(path.server.sent, 0);
  // What the client has repeated is there once.
  for (uint8_t i = 1; i < DtlsRegistry::kMaxWaiting; i += 1) {
    const std::vector<uint8_t> noise{22, 254, 255, 0, 0, 0, 0, 0, 0, 0, i, 0, 1, i};
    EXPECT(path.server.registry.receive(Path::kId, noise, path.nowUs));
    EXPECT(path.server.registry.receive(Path::kId, noise, path.nowUs));
  }
  EXPECT(!path.server.registry.receive(Path::kId, fromHex("16feff0000000000000000000100"), path.nowUs));
  path.server.registry.start(Path::kId, DtlsRole::kServer, *DtlsFingerprints::parse(theirs().fingerprint),
                             path.nowUs);
  path.run(500'000);
  EXPECT(path.isConnected());
}

TEST("no more handshakes than are allowed run at once, and one that ends makes room") {
  End server(contextOf(ours()));
  int64_t nowUs = 0;
  server.nowUs = &nowUs;
  const auto expected = *DtlsFingerprints::parse(theirs().fingerprint);
  for (uint32_t id = 1; id <= DtlsRegistry::kMaxHandshakes; id += 1) {
    server.registry.start(id, DtlsRole::kServer, expected, nowUs);
  }
  EXPECT(!server.ended.has_value());
  server.registry.start(9999, DtlsRole::kServer, expected, nowUs);
  EXPECT(server.ended == DtlsFault::kCapacity);
  server.ended.reset();
  server.registry.close(1);
  server.registry.start(10'000, DtlsRole::kServer, expected, nowUs);
  EXPECT(!server.ended.has_value());
}

TEST("a turn takes one datagram of the handshakes") {
  End server(contextOf(ours()));
  Path path;
  int64_t nowUs = 0;
  server.nowUs = &nowUs;
  path.start();
  const auto hello = path.client.underWay.front().second;
  for (uint32_t id = 1; id <= 10; id += 1) {
    server.registry.start(id, DtlsRole::kServer, *DtlsFingerprints::parse(theirs().fingerprint), nowUs);
    server.registry.receive(id, hello, nowUs);
  }
  server.registry.advance(nowUs);
  const size_t flight = server.sent;
  EXPECT(flight > 0);
  for (size_t turn = 2; turn < 10; turn += 1) {
    EXPECT_EQ(*server.registry.advance(nowUs), nowUs);
    EXPECT_EQ(server.sent, turn * flight);
  }
  EXPECT(*server.registry.advance(nowUs) > nowUs);
  EXPECT_EQ(server.sent, 10 * flight);
}

TEST("noise ends neither a handshake nor a connection, and the end of the other does") {
  Path path;
  path.start();
  std::mt19937 random(5);
  for (int i = 0; i < 300; i += 1) {
    std::vector<uint8_t> noise(random() % 200 + 1);
    for (uint8_t& byte : noise) {
      byte = static_cast<uint8_t>(random());
    }
    noise[0] = static_cast<uint8_t>(20 + random() % 4);
    path.server.registry.receive(Path::kId, noise, path.nowUs);
    path.run(1000);
  }
  path.run(3'000'000);
  EXPECT(path.isConnected());
  EXPECT(!path.server.ended.has_value());
}

TEST("records that nobody has encrypted end neither a handshake nor a connection") {
  Path path;
  path.start();
  const auto throwRecords = [&path] {
    for (uint8_t type = 20; type < 64; type += 1) {
      for (uint8_t epoch = 1; epoch < 3; epoch += 1) {
        for (uint8_t bytes = 0; bytes < 40; bytes += 1) {
          std::vector<uint8_t> record = {type, 254, 253, 0, epoch, 0, 0, 0, 1, 0, 0, 0, bytes};
          record.resize(record.size() + bytes, 1);
          path.server.registry.receive(Path::kId, record, path.nowUs);
          path.client.registry.receive(Path::kId, record, path.nowUs);
          path.server.registry.advance(path.nowUs);
          path.client.registry.advance(path.nowUs);
        }
      }
    }
  };
  throwRecords();
  path.run(1'000'000);
  EXPECT(path.isConnected());
  throwRecords();
  EXPECT(!path.server.ended.has_value() && !path.client.ended.has_value());
  path.server.registry.send(Path::kId, fromHex("010203"));
  path.client.registry.send(Path::kId, fromHex("040506"));
  path.run(50'000);
  EXPECT((path.client.received == Records{fromHex("010203")}));
  EXPECT((path.server.received == Records{fromHex("040506")}));
}

TEST("fingerprints are read as SDP has them, and nothing else") {
  const std::string sha256(95, 'a');
  std::string hex;
  for (int i = 0; i < 32; i += 1) {
    hex += i == 0 ? "aB" : ":0f";
  }
  EXPECT(DtlsFingerprints::parse("sha-256 " + hex).has_value());
  EXPECT(DtlsFingerprints::parse("SHA-256 " + hex + "\n").has_value());
  EXPECT(DtlsFingerprints::parse("sha-1 00:11\nsha-256 " + hex).has_value());
  EXPECT(!DtlsFingerprints::parse("sha-1 00:11").has_value());
  EXPECT(!DtlsFingerprints::parse("").has_value());
  EXPECT(!DtlsFingerprints::parse("sha-256").has_value());
  EXPECT(!DtlsFingerprints::parse("sha-256 " + hex + ":00").has_value());
  EXPECT(!DtlsFingerprints::parse("sha-256 " + hex.substr(3)).has_value());
  EXPECT(!DtlsFingerprints::parse("sha-256 " + sha256).has_value());
  std::string many;
  for (size_t i = 0; i <= DtlsFingerprints::kMax; i += 1) {
    many += "sha-256 " + hex + "\n";
  }
  EXPECT(!DtlsFingerprints::parse(many).has_value());
}

TEST("a certificate without its key gives no context") {
  EXPECT(DtlsContext::create(ours().certificatePem, theirs().keyPem) == nullptr);
  EXPECT(DtlsContext::create("", "") == nullptr);
}

TEST("a viewer connects over the address that ICE has proven, and its keys carry the media") {
  Bench bench;
  bench.core.createEndpoint(Bench::kEndpoint, "ours", "our-password");
  bench.core.setRemoteCredentials(Bench::kEndpoint, "theirs", "their-password");
  bench.core.setDtlsContext(contextOf(ours()));
  End client(contextOf(theirs()));
  client.nowUs = &bench.nowUs;
  client.registry.start(Path::kId, DtlsRole::kClient, *DtlsFingerprints::parse(ours().fingerprint),
                        bench.nowUs);
  const auto run = [&] {
    for (int i = 0; i < 300; i += 1) {
      for (; !client.underWay.empty(); client.underWay.pop_front()) {
        bench.receive(client.underWay.front().second);
      }
      bench.run(1000);
      for (const auto& datagram : bench.receivedOther) {
        if (packetKindOf(datagram) == PacketKind::kDtls) {
          client.registry.receive(Path::kId, datagram, bench.nowUs);
        }
      }
      bench.receivedOther.clear();
      client.registry.advance(bench.nowUs);
    }
  };
  bench.core.startDtls(Bench::kEndpoint, DtlsRole::kServer, *DtlsFingerprints::parse(theirs().fingerprint),
                       bench.nowUs);
  run();
  // Nothing of an address that is not known is looked at.
  EXPECT(bench.stats.droppedUnknownSource > 0);
  EXPECT(bench.events.dtlsConnected.empty());
  bench.select(bench.viewer);
  run();
  EXPECT_EQ(bench.events.dtlsConnected.size(), 1);
  EXPECT(client.connectedAtUs.has_value());
  EXPECT(bench.core.createDtlsTransport(Bench::kTransport, Bench::kEndpoint,
                                        std::make_shared<TransportStats>()));
  EXPECT(!bench.core.createDtlsTransport(99, Bench::kEndpoint, std::make_shared<TransportStats>()));
  client.registry.send(Path::kId, fromHex("0a0b"));
  run();
  EXPECT((bench.events.dtlsData == Records{fromHex("0a0b")}));
  bench.core.sendDtls(Bench::kEndpoint, fromHex("0c"));
  run();
  EXPECT((client.received == Records{fromHex("0c")}));
  bench.core.closeEndpoint(Bench::kEndpoint);
  client.registry.send(Path::kId, fromHex("0a0b"));
  run();
  EXPECT_EQ(bench.events.dtlsData.size(), 1);
}

}  // namespace streamkit::test
