#include <cmath>
#include <set>

#include "core/rtcp_parser.h"
#include "core/stun_message.h"
#include "test.h"
#include "virtual_network.h"

namespace streamkit::test {
namespace {

const SocketAddress kStranger = *SocketAddress::fromText("10.9.9.9", 999);

/** Which frame and which of its payloads: see Bench::sendVideo. */
uint32_t tagOf(const ReceivedRtp& packet) {
  return readU32(packet.view.payload.data());
}

bool isSenderReport(const std::vector<uint8_t>& compound) {
  return compound[1] == 200;
}

}  // namespace

TEST("nothing is sent before the viewer's pair is selected, and then from a keyframe on") {
  Bench bench;
  bench.core.createEndpoint(Bench::kEndpoint, "ours", "our-password");
  bench.core.setRemoteCredentials(Bench::kEndpoint, "theirs", "their-password");
  bench.createTransport();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(3, true);
  bench.run(100'000);
  EXPECT_EQ(bench.network.calls().size(), 0);
  bench.select(bench.viewer);
  bench.sendVideo(3, false);
  bench.run(100'000);
  EXPECT_EQ(bench.video().size(), 0);
  bench.sendVideo(3, true);
  bench.run(100'000);
  EXPECT_EQ(bench.video().size(), 3);
  EXPECT_EQ(bench.videoStats().framesDropped, 2);
}

TEST("every packet carries what the viewer needs, and all decrypt") {
  for (const SrtpProfile profile : {SrtpProfile::kAeadAes128Gcm, SrtpProfile::kAes128CmSha1_80}) {
    Bench bench(1, profile);
    bench.connect();
    bench.createVideo();
    bench.consumeVideo();
    for (int i = 0; i < 10; i += 1) {
      bench.sendVideo(5, i == 0);
      bench.run(33'333);
    }
    bench.run(50'000);
    EXPECT_EQ(bench.video().size(), 50);
    EXPECT_EQ(bench.undecryptable, 0);
    const uint16_t first = bench.video()[0].view.sequenceNumber;
    EXPECT(first < 0x8000);
    for (size_t i = 0; i < bench.video().size(); i += 1) {
      const RtpPacketView& view = bench.video()[i].view;
      EXPECT_EQ(view.sequenceNumber, first + i);
      EXPECT_EQ(view.payloadType, 96);
      EXPECT_EQ(view.marker, i % 5 == 4);
      EXPECT_EQ(tagOf(bench.video()[i]), (i / 5) << 16 | i % 5);
      EXPECT_EQ(readU16(view.extensionElement(2).data()), i);
      EXPECT(view.extensionElement(1)[0] == '0');
      EXPECT_EQ(view.extensionElement(4).size(), 8);
    }
  }
}

TEST("packets of one size leave in groups that one call can carry") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.network.calls().clear();
  bench.sendVideo(40, true);
  bench.run(500'000);
  size_t largest = 0;
  for (const auto& call : bench.network.calls()) {
    largest = std::max(largest, call.packets);
  }
  EXPECT_EQ(largest, PacketBatch::kMaxGroupPackets);
  EXPECT_EQ(bench.video().size(), 40);
}

TEST("a keyframe is spread at 2.5 times the target, and an ordinary frame goes out at once") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo(4e6);
  bench.sendVideo(80, true);
  bench.run(400'000);
  EXPECT_EQ(bench.video().size(), 80);
  const int64_t spreadUs = bench.video().back().arrivedUs - bench.video().front().arrivedUs;
  // 64 packets of some 1150 bytes at 10 Mbit/s.
  EXPECT(spreadUs > 50'000 && spreadUs < 75'000);
  bench.video().clear();
  bench.sendVideo(40, false);
  bench.run(100'000);
  EXPECT_EQ(bench.video().size(), 40);
  EXPECT_EQ(bench.video().back().arrivedUs, bench.video().front().arrivedUs);
}

TEST("sound overtakes a keyframe that is being spread") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.createAudio();
  bench.consumeVideo(4e6);
  bench.consumeAudio();
  bench.sendVideo(200, true);
  for (int i = 0; i < 10; i += 1) {
    const int64_t sentUs = bench.nowUs;
    bench.sendAudio();
    bench.run(20'000);
    EXPECT(bench.received[Bench::kAudioSsrc].size() == static_cast<size_t>(i + 1));
    EXPECT(bench.received[Bench::kAudioSsrc].back().arrivedUs <= sentUs + VirtualNetwork::kDelayUs);
  }
  EXPECT(bench.video().size() < 200);
}

TEST("over a lossy network every packet arrives by retransmission, for two seeds") {
  for (const uint32_t seed : {11u, 4242u}) {
    Bench bench(seed);
    bench.connect();
    bench.createVideo();
    bench.consumeVideo();
    bench.sendVideo(1, true);
    bench.run(30'000);
    EXPECT_EQ(bench.video().size(), 1);
    bench.network.setLoss(0.1);
    std::set<uint16_t> missing;
    std::set<uint16_t> have;
    uint16_t next = bench.video()[0].mediaSequenceNumber;
    size_t seen = 0;
    const auto note = [&] {
      for (; seen < bench.video().size(); seen += 1) {
        const uint16_t number = bench.video()[seen].mediaSequenceNumber;
        have.insert(number);
        missing.erase(number);
        for (; static_cast<int16_t>(number - next) >= 0; next = static_cast<uint16_t>(next + 1)) {
          if (!have.contains(next)) {
            missing.insert(next);
          }
        }
      }
    };
    const size_t frames = 300;
    for (size_t i = 0; i < frames; i += 1) {
      bench.sendVideo(10, false);
      bench.run(33'333);
      note();
      if (!missing.empty()) {
        bench.nack({missing.begin(), missing.end()});
      }
    }
    bench.network.setLoss(0);
    bench.sendVideo(1, false);
    for (int i = 0; i < 10; i += 1) {
      bench.run(30'000);
      note();
      if (!missing.empty()) {
        bench.nack({missing.begin(), missing.end()});
      }
    }
    EXPECT(bench.network.lost() > 200);
    EXPECT_EQ(missing.size(), 0);
    EXPECT_EQ(have.size(), frames * 10 + 2);
    EXPECT(bench.retransmissions > 200);
    EXPECT_EQ(bench.undecryptable, 0);
    // Each packet is what it was: the tag of a restored one is that of its place.
    std::map<uint32_t, size_t> tags;
    for (const ReceivedRtp& packet : bench.video()) {
      tags[tagOf(packet)] += 1;
    }
    EXPECT_EQ(tags.size(), frames * 10 + 2);
  }
}

TEST("a packet is not sent again while its last copy is under way, and not when it is too old") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(2, true);
  bench.run(30'000);
  const uint16_t first = bench.video()[0].mediaSequenceNumber;
  for (int i = 0; i < 5; i += 1) {
    bench.nack({first, first});
  }
  bench.run(9'000);
  EXPECT_EQ(bench.videoStats().packetsRetransmitted, 1);
  EXPECT_EQ(bench.videoStats().nacksReceived, 5);
  bench.run(2'000);
  bench.nack({first});
  bench.run(30'000);
  EXPECT_EQ(bench.videoStats().packetsRetransmitted, 2);
  bench.sendVideo(2, false);
  bench.run(1'100'000);
  bench.nack({first, static_cast<uint16_t>(first - 1), static_cast<uint16_t>(first + 100)});
  bench.run(30'000);
  EXPECT_EQ(bench.videoStats().packetsRetransmitted, 2);
}

TEST("a viewer that asks for everything again gets it no faster than its pace") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo(1e6);
  bench.sendVideo(30, true);
  bench.run(300'000);
  bench.network.calls().clear();
  const uint16_t first = bench.video()[0].mediaSequenceNumber;
  for (int round = 0; round < 50; round += 1) {
    std::vector<uint16_t> all;
    for (uint16_t i = 0; i < 30; i += 1) {
      all.push_back(static_cast<uint16_t>(first + i));
    }
    bench.nack(all);
    bench.run(10'000);
  }
  size_t bytes = 0;
  for (const auto& call : bench.network.calls()) {
    bytes += call.packets * call.segmentBytes;
  }
  EXPECT(static_cast<double>(bytes) * 8 / 0.5 < 1e6 * 2.5 * 1.2);
}

TEST("keyframe requests of a viewer reach the source once an interval") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], 1);
  bench.sendVideo(1, true);
  bench.run(400'000);
  for (int i = 0; i < 100; i += 1) {
    bench.sendRtcp(fromHex("81ce0002 00000001 00001000"));
    bench.run(9'000);
  }
  EXPECT(bench.events.keyframesWanted[Bench::kVideo] >= 4);
  EXPECT(bench.events.keyframesWanted[Bench::kVideo] <= 5);
  EXPECT_EQ(bench.videoStats().plisReceived, 100);
}

TEST("a repeated FIR is one request") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(1, true);
  bench.run(400'000);
  for (int i = 0; i < 10; i += 1) {
    bench.sendRtcp(fromHex("84ce0004 00000001 00000000 00001000 07000000"));
    bench.run(400'000);
  }
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], 2);
  EXPECT_EQ(bench.videoStats().firsReceived, 10);
}

TEST("a newcomer waits for a keyframe, and keeps asking") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.sendVideo(2, true);
  bench.consumeVideo();
  for (int i = 0; i < 30; i += 1) {
    bench.sendVideo(2, false);
    bench.run(33'333);
  }
  EXPECT_EQ(bench.video().size(), 0);
  EXPECT(bench.events.keyframesWanted[Bench::kVideo] >= 3);
  bench.sendVideo(2, true);
  bench.run(50'000);
  EXPECT_EQ(bench.video().size(), 2);
}

TEST("with replay a newcomer has the group in a burst, without a keyframe of its own, then what comes live") {
  Bench bench;
  bench.connect();
  bench.createVideo(true);
  bench.sendVideo(40, true);
  bench.run(33'333);
  for (int i = 0; i < 59; i += 1) {
    bench.sendVideo(8, false);
    bench.run(33'333);
  }
  bench.run(3'000'000);
  bench.consumeVideo(4e6);
  const int64_t joinedUs = bench.nowUs;
  bench.run(300'000);
  EXPECT_EQ(bench.video().size(), 40 + 59 * 8);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], 0);
  // The whole keyframe is there within 20 ms of its first packet's way.
  EXPECT(bench.video()[39].arrivedUs - joinedUs - VirtualNetwork::kDelayUs < 20'000);
  bench.sendVideo(8, false);
  bench.run(30'000);
  EXPECT_EQ(bench.video().size(), 40 + 60 * 8);
  // What was replayed can be asked for again, though it is older than the history.
  bench.nack({bench.video()[0].mediaSequenceNumber});
  bench.run(50'000);
  EXPECT_EQ(bench.retransmissions, 1);
  EXPECT_EQ(tagOf(bench.video().back()), tagOf(bench.video().front()));
}

TEST("a group that is too long is not replayed: a keyframe is asked for") {
  Bench bench;
  bench.connect();
  bench.createVideo(true);
  bench.sendVideo(40, true);
  for (int i = 0; i < 100; i += 1) {
    bench.sendVideo(20, false);
    bench.run(1'000);
  }
  bench.consumeVideo(4e6);
  bench.run(300'000);
  EXPECT_EQ(bench.video().size(), 0);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], 1);
}

TEST("a viewer that cannot keep up drops to the next keyframe and asks for it") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo(100'000);
  bench.sendVideo(2, true);
  bench.run(400'000);
  const int before = bench.events.keyframesWanted[Bench::kVideo];
  for (int i = 0; i < 30; i += 1) {
    bench.sendVideo(100, false);
    bench.run(33'333);
  }
  EXPECT(bench.events.keyframesWanted[Bench::kVideo] > before);
  EXPECT(bench.videoStats().framesDropped > 10);
  bench.run(1'500'000);
  bench.video().clear();
  bench.sendVideo(2, true);
  bench.run(500'000);
  EXPECT(bench.video().size() == 2 && bench.undecryptable == 0);
}

TEST("what the kernel does not take waits, and goes on when it does") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.createAudio();
  bench.consumeVideo();
  bench.consumeAudio();
  bench.network.setBlocked(true);
  bench.sendVideo(3, true);
  bench.sendAudio();
  bench.run(100'000);
  EXPECT_EQ(bench.video().size(), 0);
  bench.network.setBlocked(false);
  bench.run(50'000);
  EXPECT_EQ(bench.video().size(), 3);
  EXPECT_EQ(bench.received[Bench::kAudioSsrc].size(), 1);
  bench.network.setBlocked(true);
  bench.sendAudio();
  bench.run(300'000);
  bench.network.setBlocked(false);
  bench.run(50'000);
  // Sound of before would only be late.
  EXPECT_EQ(bench.received[Bench::kAudioSsrc].size(), 1);
}

TEST("paused it sends nothing; resumed it goes on at a keyframe, and its numbers have no gap") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(2, true);
  bench.run(50'000);
  bench.core.pauseConsumer(Bench::kVideoConsumer);
  bench.sendVideo(2, false);
  bench.run(50'000);
  EXPECT_EQ(bench.video().size(), 2);
  bench.core.resumeConsumer(Bench::kVideoConsumer, bench.nowUs);
  bench.sendVideo(2, false);
  bench.run(50'000);
  EXPECT_EQ(bench.video().size(), 2);
  bench.sendVideo(2, true);
  bench.run(50'000);
  EXPECT_EQ(bench.video().size(), 4);
  EXPECT_EQ(bench.video()[3].view.sequenceNumber, bench.video()[0].view.sequenceNumber + 3);
}

TEST("sender reports map the RTP clock to the same wall clock that frames are stamped with") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  for (int i = 0; i < 90; i += 1) {
    bench.sendVideo(2, i == 0);
    bench.run(33'333);
  }
  size_t reports = 0;
  for (const auto& compound : bench.receivedRtcp) {
    if (!isSenderReport(compound)) {
      continue;
    }
    reports += 1;
    const double ntp = readU32(&compound[8]) + readU32(&compound[12]) / 4294967296.0 - 2'208'988'800.0;
    const double monotonicUs = (ntp - 1'700'000'000) * 1e6;
    const auto expected = rtpTimestampOf(static_cast<int64_t>(std::llround(monotonicUs)), 90'000);
    EXPECT(std::abs(static_cast<int32_t>(readU32(&compound[16]) - expected)) <= 1);
    EXPECT_EQ(readU32(&compound[4]), Bench::kVideoSsrc);
  }
  EXPECT(reports >= 2 && reports <= 5);
  const auto& last = bench.receivedRtcp.back();
  // The report's count is of before it: all packets of the frames until then.
  EXPECT_EQ(readU32(&last[24]), readU32(&last[20]) * 1100);
}

TEST("a report gives the round trip and the losses") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(1, true);
  bench.run(30'000);
  EXPECT_EQ(bench.receivedRtcp.size(), 1);
  const auto& report = bench.receivedRtcp[0];
  auto compound = fromHex("81c90007 00000001 00001000 40000005 00010002 00000384 00000000 00000000");
  writeU32(&compound[24], readU32(&report[8]) << 16 | readU32(&report[12]) >> 16);
  bench.run(20'000);
  bench.sendRtcp(compound);
  EXPECT(std::abs(bench.videoStats().rttMs - 50) < 1.5);
  EXPECT(bench.videoStats().fractionLost.get() == 0.25);
  EXPECT_EQ(bench.videoStats().packetsLost, 5);
  EXPECT(bench.videoStats().jitterMs.get() == 10);
}

TEST("transport-wide feedback becomes records of what was sent, each once") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  const int64_t sentUs = bench.nowUs;
  bench.sendVideo(3, true);
  bench.run(100'000);
  // Sequence 0 received, 1 lost, 2 received, and 3, which never was.
  const auto feedback = fromHex("afcd0006 00000001 00001000 0000 0004 000001 00 ac00 04 08 0c 000003");
  bench.sendRtcp(feedback);
  bench.run(100'000);
  bench.sendRtcp(feedback);
  EXPECT_EQ(bench.events.feedback.size(), 3 * MediaTransport::kRecordValues);
  EXPECT(bench.events.feedback[0] == 0 && bench.events.feedback[1] == static_cast<double>(sentUs));
  EXPECT(bench.events.feedback[2] == 64'000 + 1000);
  EXPECT(bench.events.feedback[3] == static_cast<double>(1100 + 36 + 16));
  EXPECT(std::isnan(bench.events.feedback[6]));
  EXPECT(bench.events.feedback[8] == 2 && bench.events.feedback[10] == 64'000 + 3000);
}

TEST("REMB is told, but not each one") {
  Bench bench;
  bench.connect();
  bench.sendRtcp(fromHex("8fce0005 00000001 00000000 52454d42 010a4567 00001000"));
  bench.sendRtcp(fromHex("8fce0005 00000001 00000000 52454d42 010a4568 00001000"));
  EXPECT(bench.events.remb == 0x24567 * 4.0);
}

TEST("RTCP that is malformed or of nobody is counted and changes nothing") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendRtcp(fromHex("81ce0002 00000001 0000dead"));
  bench.sendRtcp(fromHex("81ce0003 00000001 00001000"));
  EXPECT_EQ(bench.transportStats().rtcpDropped, 2);
  bench.receive(fromHex("81ce0002 00000001 00001000 8000000000000000 00000000 00000000 00000000"));
  EXPECT_EQ(bench.stats.droppedSrtcpAuthentication, 1);
  EXPECT_EQ(bench.videoStats().plisReceived, 0);
  // About the RTX stream: known, and no business of the media.
  bench.sendRtcp(fromHex("81ce0002 00000001 00001001"));
  EXPECT_EQ(bench.transportStats().rtcpDropped, 2);
}

TEST("closing says BYE, and the SSRC used again goes on where it ended") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(3, true);
  bench.run(50'000);
  bench.core.closeConsumer(Bench::kVideoConsumer);
  bench.run(50'000);
  const auto& bye = bench.receivedRtcp.back();
  EXPECT(bye[1] == 201 && bye[bye.size() - 11] == 203);
  bench.consumeVideo();
  bench.sendVideo(3, true);
  bench.run(50'000);
  EXPECT_EQ(bench.video().size(), 6);
  EXPECT_EQ(bench.video()[5].view.sequenceNumber, bench.video()[0].view.sequenceNumber + 5);
  EXPECT_EQ(bench.undecryptable, 0);
}

TEST("whatever is closed in whatever order, nothing is sent after it and nothing is left") {
  for (int order = 0; order < 4; order += 1) {
    Bench bench;
    bench.connect();
    bench.createVideo();
    bench.consumeVideo();
    bench.sendVideo(100, true);
    bench.run(1'000);
    for (int i = 0; i < 4; i += 1) {
      switch ((order + i) % 4) {
        case 0:
          bench.core.closeConsumer(Bench::kVideoConsumer);
          break;
        case 1:
          bench.core.closeProducer(Bench::kVideo);
          break;
        case 2:
          bench.core.closeTransport(Bench::kTransport);
          break;
        default:
          bench.core.closeEndpoint(Bench::kEndpoint);
          break;
      }
      bench.core.closeConsumer(Bench::kVideoConsumer);
    }
    bench.network.calls().clear();
    bench.sendVideo(1, true);
    bench.run(500'000);
    EXPECT_EQ(bench.network.calls().size(), 0);
    EXPECT(!bench.core.advance(bench.nowUs, 100).has_value());
  }
}

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

TEST("frames lost before the core make consumers wait for a keyframe") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(1, true);
  bench.run(400'000);
  const int before = bench.events.keyframesWanted[Bench::kVideo];
  EncodedFrame frame;
  frame.bytes = std::make_unique<uint8_t[]>(10);
  frame.offsets = {0, 10};
  bench.core.sendFrame(Bench::kVideo, std::move(frame), true, bench.nowUs);
  bench.run(50'000);
  EXPECT_EQ(bench.video().size(), 1);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], before + 1);
}

}  // namespace streamkit::test
