#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "test.h"
#include "virtual_network.h"

namespace streamkit::test {
namespace {

bool isSenderReport(const std::vector<uint8_t>& compound) {
  return compound[1] == 200;
}

/** A receiver report for the video. @param share 0 to 1 */
void reportLoss(Bench& bench, double share) {
  auto compound = fromHex("81c90007 00000001 00001000 00000000 00010002 00000384 00000000 00000000");
  compound[12] = static_cast<uint8_t>(share * 256);
  bench.sendRtcp(compound);
}

}  // namespace

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

TEST("a viewer that loses 3 % or more is sent each retransmission twice, 10 ms apart") {
  for (const double lost : {0.0, 0.02, 0.03, 0.05}) {
    Bench bench;
    bench.connect();
    bench.createVideo();
    bench.consumeVideo();
    bench.sendVideo(8, true);
    bench.run(30'000);
    reportLoss(bench, lost);
    const uint16_t first = bench.video()[0].mediaSequenceNumber;
    const size_t copies = lost < 0.03 ? 1 : 2;
    bench.nack({first, static_cast<uint16_t>(first + 3)});
    bench.run(9'000);
    EXPECT_EQ(bench.videoStats().packetsRetransmitted, 2);
    bench.run(2'000);
    EXPECT_EQ(bench.videoStats().packetsRetransmitted, 2 * copies);
    bench.run(100'000);
    EXPECT_EQ(bench.videoStats().packetsRetransmitted, 2 * copies);
    // What waits to be sent twice ends with its consumer.
    bench.nack({first});
    bench.run(1'000);
    bench.core.closeConsumer(Bench::kVideoConsumer);
    bench.run(100'000);
    EXPECT_EQ(bench.undecryptable, 0);
  }
}

TEST("the bytes of retransmissions count as repairs, and those of padding do not") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(4, true);
  bench.run(100'000);
  EXPECT_EQ(bench.videoStats().repairBytesSent.get(), 0);
  const ReceivedRtp asked = bench.video()[1];
  bench.nack({asked.mediaSequenceNumber});
  bench.run(100'000);
  EXPECT_EQ(bench.videoStats().packetsRetransmitted.get(), 1);
  EXPECT_EQ(bench.videoStats().repairPacketsSent.get(), 0);
  EXPECT(bench.videoStats().repairBytesSent.get() >= 1'100 &&
         bench.videoStats().repairBytesSent.get() < 1'200);
}

TEST("a viewer that loses 3 % or more is sent the last packet of each picture twice, 10 ms apart") {
  for (const double lost : {0.02, 0.03}) {
    Bench bench;
    bench.connect();
    bench.createVideo();
    bench.consumeVideo();
    bench.sendVideo(8, true);
    bench.run(30'000);
    reportLoss(bench, lost);
    bench.sendVideo(8, false);
    bench.run(9'000);
    EXPECT_EQ(bench.videoStats().packetsRetransmitted, 0);
    bench.run(2'000);
    EXPECT_EQ(bench.videoStats().packetsRetransmitted, lost < 0.03 ? 0 : 1);
    bench.run(100'000);
    EXPECT_EQ(bench.retransmissions, lost < 0.03 ? 0 : 1);
    EXPECT_EQ(tagOf(bench.video().back()), 1 << 16 | 7);
  }
}

TEST("second copies leave half of the first budget to first copies") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo(500'000);
  reportLoss(bench, 0.2);
  bench.sendVideo(40, true, 1100);
  bench.run(300'000);
  std::vector<uint16_t> all;
  for (const ReceivedRtp& packet : bench.video()) {
    all.push_back(packet.mediaSequenceNumber);
  }
  // More than the budget of 16 KiB and the quarter of what was sent.
  bench.nack(all);
  bench.run(300'000);
  std::map<uint16_t, size_t> copies;
  for (const ReceivedRtp& packet : bench.video()) {
    copies[packet.mediaSequenceNumber] += packet.view.ssrc == Bench::kRtxSsrc ? 1 : 0;
  }
  const auto sent = [&](size_t times) {
    return std::count_if(copies.begin(), copies.end(),
                         [=](const auto& each) { return each.second == times; });
  };
  EXPECT(sent(1) + sent(2) >= 12);
  EXPECT(sent(2) <= 7);
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

TEST("who asks for a packet that is gone gets a keyframe, but not for one of before the last keyframe") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(2, true);
  bench.run(30'000);
  const uint16_t first = bench.video()[0].mediaSequenceNumber;
  const uint16_t lost = static_cast<uint16_t>(first + 2);
  bench.sendVideo(2, false);
  bench.run(1'100'000);
  bench.sendVideo(2, false);
  const int before = bench.events.keyframesWanted[Bench::kVideo];
  // Those that never were, and those that a keyframe has come after.
  bench.nack({static_cast<uint16_t>(first - 1), static_cast<uint16_t>(first + 100)});
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], before);
  bench.nack({first, lost});
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], before + 1);
  bench.sendVideo(2, true);
  bench.run(400'000);
  bench.nack({first, lost});
  bench.run(400'000);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], before + 1);
  EXPECT_EQ(bench.videoStats().packetsRetransmitted, 0);
}

TEST("of a NACK that asks for hundreds of packets only so many are looked at") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo(100e6);
  bench.sendVideo(600, true);
  bench.run(300'000);
  std::vector<uint16_t> all;
  for (const ReceivedRtp& packet : bench.video()) {
    all.push_back(packet.mediaSequenceNumber);
  }
  EXPECT_EQ(all.size(), 600);
  bench.nack(all);
  bench.run(200'000);
  EXPECT_EQ(bench.retransmissions, MediaTransport::kMaxNackItems);
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

TEST("keyframe requests of a viewer reach the source at once, then 1, 2 and 4 s apart, and none is lost") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(1, true);
  bench.run(10'000'000);
  const auto ask = [&] { bench.sendRtcp(fromHex("81ce0002 00000001 00001000")); };
  int wanted = bench.events.keyframesWanted[Bench::kVideo];
  int64_t askedUs = bench.nowUs;
  ask();
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], ++wanted);
  for (const int64_t pauseUs : {1'000'000, 2'000'000, 4'000'000, 4'000'000}) {
    // The page stands still: no frame comes that could take the request along.
    bench.sendVideo(1, true);
    bench.run(400'000);
    ask();
    bench.runUntil(askedUs + pauseUs - 1'000);
    EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], wanted);
    askedUs += pauseUs;
    bench.runUntil(askedUs + 1'000);
    EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], ++wanted);
  }
  // A keyframe answers what was asked for before it.
  ask();
  bench.sendVideo(1, true);
  bench.run(20'000'000);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], wanted);
  ask();
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], wanted + 1);
}

TEST("keyframe requests of a media server that forwards to many reach the source every second") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo(4e6, false, true);
  bench.sendVideo(1, true);
  bench.run(10'000'000);
  const int before = bench.events.keyframesWanted[Bench::kVideo];
  for (int i = 0; i < 100; i += 1) {
    bench.sendVideo(1, true);
    bench.run(100'000);
    bench.sendRtcp(fromHex("81ce0002 00000001 00001000"));
  }
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo] - before, 10);
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

TEST("what a viewer without transport-wide feedback estimates is told, but not each time") {
  Bench bench;
  bench.connect();
  bench.sendRtcp(fromHex("8fce0005 00000001 00000000 52454d42 010a4567 00001000"));
  bench.sendRtcp(fromHex("8fce0005 00000001 00000000 52454d42 010a4568 00001000"));
  EXPECT(bench.events.estimates == std::vector<double>{0x24567 * 4.0});
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

}  // namespace streamkit::test
