#include "stun_message_builder.h"
#include "test.h"
#include "virtual_network.h"

namespace streamkit::test {
namespace {

const SocketAddress kStranger = *SocketAddress::fromText("10.9.9.9", 999);

}  // namespace

TEST("STUN requests need our password, and prove the address for DTLS") {
  Bench bench;
  bench.connect();
  const auto dtls = fromHex("16fefd00");
  bench.receiveFrom(kStranger, dtls);
  EXPECT_EQ(bench.stats.droppedUnknownSource, 1);
  StunMessageBuilder forged(StunClass::kRequest, {1});
  forged.username("ours:theirs").integrity("guess").fingerprint();
  bench.receiveFrom(kStranger, forged.bytes());
  EXPECT_EQ(bench.stats.droppedStunIntegrity, 1);
  StunMessageBuilder other(StunClass::kRequest, {2});
  other.username("nobody:theirs").integrity("our-password").fingerprint();
  bench.receiveFrom(kStranger, other.bytes());
  EXPECT_EQ(bench.stats.droppedUnknownSource, 2);
  const size_t before = bench.events.packets.size();
  StunMessageBuilder real(StunClass::kRequest, {3});
  real.username("ours:theirs").integrity("our-password").fingerprint();
  bench.receiveFrom(kStranger, real.bytes());
  EXPECT_EQ(bench.events.packets.size(), before + 1);
  bench.receiveFrom(kStranger, dtls);
  EXPECT_EQ(bench.stats.droppedUnknownSource, 2);
}

TEST("a response must answer a request of ours, from where it went, under the viewer's password") {
  Bench bench;
  bench.connect();
  const SocketAddress roamed = *SocketAddress::fromText("10.0.0.2", 6000);
  const StunTransactionId id{77};
  StunMessageBuilder request(StunClass::kRequest, id);
  request.username("theirs:ours").useCandidate().integrity("their-password").fingerprint();
  bench.core.sendPacket(Bench::kEndpoint, 0, roamed, request.bytes(), bench.nowUs);
  const size_t before = bench.events.packets.size();
  StunMessageBuilder unasked(StunClass::kSuccess, {78});
  unasked.integrity("their-password").fingerprint();
  bench.receiveFrom(roamed, unasked.bytes());
  StunMessageBuilder forged(StunClass::kSuccess, id);
  forged.integrity("our-password").fingerprint();
  bench.receiveFrom(roamed, forged.bytes());
  StunMessageBuilder real(StunClass::kSuccess, id);
  real.integrity("their-password").fingerprint();
  bench.receiveFrom(kStranger, real.bytes());
  EXPECT_EQ(bench.events.packets.size(), before);
  bench.receiveFrom(roamed, real.bytes());
  EXPECT_EQ(bench.events.packets.size(), before + 1);
  bench.receiveFrom(roamed, real.bytes());
  EXPECT_EQ(bench.events.packets.size(), before + 1);
}

TEST("media follows a viewer that roams, at once and only to a pair that was proved") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(1, true);
  bench.run(30'000);
  const SocketAddress roamed = *SocketAddress::fromText("10.0.0.2", 6000);
  // A request from there proves the address, but does not select it.
  StunMessageBuilder request(StunClass::kRequest, {9});
  request.username("ours:theirs").useCandidate().integrity("our-password").fingerprint();
  bench.receiveFrom(roamed, request.bytes());
  bench.network.calls().clear();
  bench.sendVideo(1, false);
  bench.network.setTime(bench.nowUs);
  bench.core.advance(bench.nowUs, 100);
  bench.nowUs += VirtualNetwork::kDelayUs;
  bench.network.setTime(bench.nowUs);
  auto arrived = bench.network.take();
  EXPECT(arrived.size() == 1 && arrived[0].to == bench.viewer);
  bench.select(roamed);
  bench.sendVideo(1, false);
  bench.core.advance(bench.nowUs, 100);
  bench.nowUs += VirtualNetwork::kDelayUs;
  bench.network.setTime(bench.nowUs);
  arrived = bench.network.take();
  EXPECT(!arrived.empty() && arrived.back().to == roamed &&
         packetKindOf(arrived.back().bytes) == PacketKind::kRtp);
}

TEST("credentials of before a restart are valid until the next one") {
  Bench bench;
  bench.connect();
  const auto request = [&](const std::string& ufrag, const std::string& password) {
    StunMessageBuilder builder(StunClass::kRequest, {1});
    builder.username(ufrag + ":theirs").integrity(password).fingerprint();
    const size_t before = bench.events.packets.size();
    bench.receive(builder.bytes());
    return bench.events.packets.size() > before;
  };
  bench.core.setLocalCredentials(Bench::kEndpoint, "second", "second-password");
  EXPECT(request("ours", "our-password"));
  EXPECT(request("second", "second-password"));
  bench.core.setLocalCredentials(Bench::kEndpoint, "third", "third-password");
  EXPECT(!request("ours", "our-password"));
  EXPECT(request("second", "second-password"));
  EXPECT(request("third", "third-password"));
}

TEST("the addresses of an endpoint are bounded, and the selected one stays") {
  Bench bench;
  bench.connect();
  for (uint16_t i = 0; i < 100; i += 1) {
    StunMessageBuilder builder(StunClass::kRequest, {1});
    builder.username("ours:theirs").integrity("our-password").fingerprint();
    bench.nowUs += 1000;
    bench.receiveFrom(*SocketAddress::fromText("10.1.0.1", static_cast<uint16_t>(1000 + i)), builder.bytes());
  }
  const uint64_t before = bench.stats.droppedUnknownSource;
  for (uint16_t i = 0; i < 100; i += 1) {
    bench.receiveFrom(*SocketAddress::fromText("10.1.0.1", static_cast<uint16_t>(1000 + i)), fromHex("16fe"));
  }
  constexpr uint64_t kUnknown = 100 - (Endpoint::kMaxAddresses - 1);
  EXPECT_EQ(bench.stats.droppedUnknownSource, before + kUnknown);
  bench.receive(fromHex("16fe"));
  EXPECT_EQ(bench.stats.droppedUnknownSource, before + kUnknown);
}

TEST("a STUN server's answer passes without a signature, and selects nothing") {
  Bench bench;
  bench.core.createEndpoint(Bench::kEndpoint, "ours", "our-password");
  const StunTransactionId id{5};
  bench.core.sendPacket(Bench::kEndpoint, 0, kStranger, StunMessageBuilder(StunClass::kRequest, id).bytes(),
                        bench.nowUs);
  bench.receiveFrom(kStranger, StunMessageBuilder(StunClass::kSuccess, id).bytes());
  EXPECT_EQ(bench.events.packets.size(), 1);
  const uint64_t before = bench.stats.droppedUnknownSource;
  bench.receiveFrom(kStranger, fromHex("16fe"));
  EXPECT_EQ(bench.stats.droppedUnknownSource, before + 1);
}

TEST("a request does not take over the address of another viewer, and an answer does") {
  Bench bench;
  bench.connect();
  constexpr uint32_t kOther = 50;
  bench.core.createEndpoint(kOther, "other", "other-password");
  bench.core.setRemoteCredentials(kOther, "theirs2", "their-password2");
  StunMessageBuilder request(StunClass::kRequest, {1});
  request.username("other:theirs2").integrity("other-password").fingerprint();
  bench.receive(request.bytes());
  EXPECT_EQ(bench.events.packets.back().endpoint, kOther);
  const uint64_t unknownBefore = bench.stats.droppedUnknownSource;
  const auto pli = fromHex("81ce0002 00000001 00001000");
  bench.sendRtcp(pli);
  EXPECT_EQ(bench.stats.droppedUnknownSource, unknownBefore);
  bench.core.sendPacket(kOther, 0, bench.viewer, nominatingRequest({40}, "theirs2:other", "their-password2"),
                        bench.nowUs);
  bench.receive(authenticResponse({40}, "their-password2"));
  // The other one has no transport that could take it.
  bench.sendRtcp(pli);
  EXPECT_EQ(bench.stats.droppedUnknownSource, unknownBefore + 1);
}

TEST("an address that makes room is known for as long as it is there by another socket") {
  Bench bench;
  bench.connect();
  uint8_t transaction = 0;
  const auto request = [&](int socket, const SocketAddress& from) {
    StunMessageBuilder builder(StunClass::kRequest, {++transaction});
    builder.username("ours:theirs").integrity("our-password").fingerprint();
    std::vector<uint8_t> bytes = builder.bytes();
    bench.nowUs += 1000;
    bench.core.receive(socket, from, bytes, bench.nowUs);
  };
  const auto isKnown = [&] {
    const uint64_t before = bench.stats.droppedUnknownSource;
    bench.receiveFrom(kStranger, fromHex("16fe"));
    return bench.stats.droppedUnknownSource == before;
  };
  request(0, kStranger);
  request(1, kStranger);
  // The selected pair and these two are three; the last of the others pushes out the first of the two.
  for (uint16_t i = 0; i < Endpoint::kMaxAddresses - 2; i += 1) {
    request(0, *SocketAddress::fromText("10.1.0.1", static_cast<uint16_t>(1000 + i)));
  }
  EXPECT(isKnown());
  request(0, *SocketAddress::fromText("10.1.0.1", 2000));
  EXPECT(!isKnown());
}

TEST("checks for consent on the nominated pair are answered here, and all others are the agent's") {
  for (const char* address : {"10.0.0.1", "2001:db8::7"}) {
    Bench bench;
    bench.viewer = *SocketAddress::fromText(address, 5000);
    bench.connect();
    uint8_t transaction = 100;
    const auto check = [&](const std::string& ufrag, const std::string& password, uint16_t extra = 0) {
      StunMessageBuilder request(StunClass::kRequest, {++transaction});
      const std::array<uint8_t, 8> value{};
      request.username(ufrag + ":theirs").attribute(0x0024, Bytes(value).first(4)).attribute(0x8029, value);
      if (extra != 0) {
        request.attribute(extra, value);
      }
      const auto bytes = request.integrity(password).fingerprint().bytes();
      const size_t before = bench.events.packets.size();
      bench.receive(bytes);
      return bench.events.packets.size() == before;
    };
    bench.run(VirtualNetwork::kDelayUs);
    bench.receivedOther.clear();
    EXPECT(check("ours", "our-password"));
    bench.run(VirtualNetwork::kDelayUs);
    EXPECT_EQ(bench.receivedOther.size(), 1);
    const auto answer = StunMessage::parse(bench.receivedOther[0]);
    EXPECT(answer.has_value() && answer->messageClass() == StunClass::kSuccess && answer->isBinding());
    EXPECT(answer->transactionId() == (StunTransactionId{transaction}));
    EXPECT(answer->integrityMatches("our-password"));
    // An attribute whose value is our own computation: port and address under the cookie and the id.
    const auto& bytes = bench.receivedOther[0];
    EXPECT_EQ(readU16(&bytes[20]), 0x0020);
    EXPECT_EQ(readU16(&bytes[26]) ^ 0x2112, 5000);
    EXPECT_EQ(bytes[28] ^ 0x21, bench.viewer.ip()[0]);
    EXPECT_EQ(bytes[28 + bench.viewer.ip().size() - 1] ^ bytes[4 + bench.viewer.ip().size() - 1],
              bench.viewer.ip().back());
    EXPECT_EQ(readU16(&bytes[bytes.size() - 8]), 0x8028);
    // USE-CANDIDATE, ICE-CONTROLLING and what nobody here knows.
    EXPECT(!check("ours", "our-password", 0x0025));
    EXPECT(!check("ours", "our-password", 0x802a));
    EXPECT(!check("ours", "our-password", 0x0031));
    EXPECT(check("ours", "our-password"));
    bench.run(VirtualNetwork::kDelayUs);
    const size_t answers = bench.receivedOther.size();
    EXPECT(check("ours", "guess"));
    bench.run(VirtualNetwork::kDelayUs);
    EXPECT_EQ(bench.receivedOther.size(), answers);
    EXPECT_EQ(bench.stats.droppedStunIntegrity, 1);
    // After a restart it is for the agent again, until it has nominated anew; the same credentials are no
    // restart.
    bench.core.setRemoteCredentials(Bench::kEndpoint, "theirs", "their-password");
    EXPECT(check("ours", "our-password"));
    bench.core.setLocalCredentials(Bench::kEndpoint, "second", "second-password");
    EXPECT(!check("second", "second-password"));
    bench.select(bench.viewer);
    EXPECT(check("second", "second-password"));
  }
}

}  // namespace streamkit::test
