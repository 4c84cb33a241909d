#include "core/stun_message.h"
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
  bench.receiveFrom(kStranger, dtls);
  EXPECT_EQ(bench.events.packets.size(), before + 2);
  EXPECT(bench.events.packets.back().data == dtls && bench.events.packets.back().from == kStranger);
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

TEST("where the viewer controls, media goes to the pair that it nominates, once a check of ours has succeeded") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(1, true);
  bench.run(30'000);
  const SocketAddress first = *SocketAddress::fromText("10.0.0.2", 6000);
  const SocketAddress second = *SocketAddress::fromText("10.0.0.3", 7000);
  uint8_t transaction = 100;
  const auto nominate = [&](const SocketAddress& from) {
    StunMessageBuilder request(StunClass::kRequest, {transaction++});
    request.username("ours:theirs").useCandidate().integrity("our-password").fingerprint();
    bench.receiveFrom(from, request.bytes());
  };
  const auto check = [&](const SocketAddress& to) {
    const StunTransactionId id{transaction++};
    StunMessageBuilder request(StunClass::kRequest, id);
    request.username("theirs:ours").iceControlled().integrity("their-password").fingerprint();
    bench.core.sendPacket(Bench::kEndpoint, 0, to, request.bytes(), bench.nowUs);
    StunMessageBuilder response(StunClass::kSuccess, id);
    response.integrity("their-password").fingerprint();
    bench.receiveFrom(to, response.bytes());
  };
  const auto mediaGoesTo = [&](const SocketAddress& where) {
    bench.sendVideo(1, false);
    bench.core.advance(bench.nowUs, 100);
    bench.nowUs += VirtualNetwork::kDelayUs;
    bench.network.setTime(bench.nowUs);
    const auto arrived = bench.network.take();
    return !arrived.empty() && arrived.back().to == where &&
           packetKindOf(arrived.back().bytes) == PacketKind::kRtp;
  };
  nominate(first);
  EXPECT(mediaGoesTo(bench.viewer));
  check(first);
  EXPECT(mediaGoesTo(first));
  check(second);
  EXPECT(mediaGoesTo(first));
  nominate(second);
  EXPECT(mediaGoesTo(second));
  nominate(first);
  EXPECT(mediaGoesTo(first));
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
  const size_t before = bench.events.packets.size();
  for (uint16_t i = 0; i < 100; i += 1) {
    bench.receiveFrom(*SocketAddress::fromText("10.1.0.1", static_cast<uint16_t>(1000 + i)), fromHex("16fe"));
  }
  EXPECT_EQ(bench.events.packets.size(), before + Endpoint::kMaxAddresses - 1);
  bench.receive(fromHex("16fe"));
  EXPECT_EQ(bench.events.packets.size(), before + Endpoint::kMaxAddresses);
}

TEST("a STUN server's answer passes without a signature, and selects nothing") {
  Bench bench;
  bench.core.createEndpoint(Bench::kEndpoint, "ours", "our-password");
  const StunTransactionId id{5};
  bench.core.sendPacket(Bench::kEndpoint, 0, kStranger, StunMessageBuilder(StunClass::kRequest, id).bytes(),
                        bench.nowUs);
  bench.receiveFrom(kStranger, StunMessageBuilder(StunClass::kSuccess, id).bytes());
  EXPECT_EQ(bench.events.packets.size(), 1);
  bench.receiveFrom(kStranger, fromHex("16fe"));
  EXPECT_EQ(bench.events.packets.size(), 1);
}

}  // namespace streamkit::test
