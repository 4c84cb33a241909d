#include <algorithm>

#include "test.h"
#include "virtual_network.h"

namespace streamkit::test {
namespace {

/** A viewer that has been sent a keyframe of the first producer, with another producer beside it. */
void watchFirst(Bench& bench) {
  bench.connect();
  bench.createVideo();
  bench.createVideo(false, Bench::kSecondVideo);
  bench.consumeVideo();
  bench.answer();
  bench.sendVideo(3, true);
  bench.run(33'000);
}

void switchTo(Bench& bench, uint32_t producer) {
  bench.core.switchConsumer(Bench::kVideoConsumer, producer, bench.nowUs);
}

/** Numbers without a gap, and times that never go back. */
void expectContinuous(const std::vector<ReceivedRtp>& packets) {
  for (size_t i = 1; i < packets.size(); i += 1) {
    const RtpPacketView& before = packets[i - 1].view;
    const RtpPacketView& view = packets[i].view;
    EXPECT_EQ(view.sequenceNumber, static_cast<uint16_t>(before.sequenceNumber + 1));
    const auto elapsed = static_cast<int32_t>(view.rtpTimestamp - before.rtpTimestamp);
    // A picture's packets have its time, and the next picture has a later one.
    EXPECT_EQ(elapsed > 0, before.marker);
    EXPECT(elapsed >= 0);
  }
}

}  // namespace

TEST("a consumer goes over to another producer at its keyframe, and not before") {
  Bench bench;
  watchFirst(bench);
  switchTo(bench, Bench::kSecondVideo);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kSecondVideo], 1);
  bench.sendVideo(2, false, 500, Bench::kSecondVideo);
  bench.sendVideo(3, false);
  bench.run(33'000);
  EXPECT_EQ(bench.video().size(), 6);
  EXPECT_EQ(bench.events.switches.size(), 0);
  bench.sendVideo(4, true, 500, Bench::kSecondVideo);
  bench.sendVideo(3, false);
  bench.run(33'000);
  bench.sendVideo(2, false, 500, Bench::kSecondVideo);
  bench.sendVideo(3, false);
  bench.run(33'000);
  // 3 and 3 of the first; 4 and 2 of the second.
  EXPECT_EQ(bench.video().size(), 12);
  EXPECT_EQ(tagOf(bench.video()[6]), 3 << 16);
  expectContinuous(bench.video());
  EXPECT(bench.events.switches ==
         (std::vector<std::pair<uint32_t, uint32_t>>{{Bench::kVideoConsumer, Bench::kSecondVideo}}));
  EXPECT_EQ(bench.videoStats().packetsSent, 12);
  EXPECT_EQ(bench.undecryptable, 0);
}

TEST("a keyframe of the same picture, or of an older one, goes out with a later time") {
  for (const int64_t olderUs : {int64_t{0}, int64_t{33'000}}) {
    Bench bench;
    watchFirst(bench);
    switchTo(bench, Bench::kSecondVideo);
    bench.sendVideo(3, false);
    // What waits is dropped by the switch, so the picture is out before.
    bench.run(1'000);
    const int64_t pictureUs = bench.nowUs - 1'000;
    bench.sendVideo(2, true, 500, Bench::kSecondVideo, pictureUs - olderUs);
    bench.run(33'000);
    bench.sendVideo(2, false, 500, Bench::kSecondVideo, pictureUs - olderUs + 33'000);
    bench.run(33'000);
    EXPECT_EQ(bench.video().size(), 10);
    expectContinuous(bench.video());
    const auto& keyframe = bench.video()[6].view;
    EXPECT_EQ(keyframe.rtpTimestamp, bench.video()[5].view.rtpTimestamp + 1);
    // The pictures after it keep their distance.
    EXPECT(bench.video()[8].view.rtpTimestamp - keyframe.rtpTimestamp >= 2969);
    // So does what is sent again.
    bench.nack({bench.video()[8].view.sequenceNumber});
    bench.run(10'000);
    EXPECT_EQ(bench.video().back().view.rtpTimestamp, bench.video()[8].view.rtpTimestamp);
  }
}

TEST("what was sent before a switch can still be asked for while the keyframe is under way") {
  Bench bench;
  watchFirst(bench);
  const uint16_t lost = bench.video()[1].view.sequenceNumber;
  switchTo(bench, Bench::kSecondVideo);
  // So large that the pacer spreads it.
  bench.sendVideo(120, true, 1100, Bench::kSecondVideo);
  bench.run(20'000);
  EXPECT(bench.video().size() > 3 && bench.video().size() < 123);
  bench.nack({lost, static_cast<uint16_t>(lost + 4)});
  bench.run(400'000);
  EXPECT_EQ(bench.retransmissions, 2);
  std::vector<uint32_t> tags;
  for (const auto& packet : bench.video()) {
    if (packet.view.payloadType != 96) {
      tags.push_back(tagOf(packet));
    }
  }
  // The second payload of the first frame, and the third of the second.
  std::sort(tags.begin(), tags.end());
  EXPECT(tags == (std::vector<uint32_t>{1, 1 << 16 | 2}));
  // Now that it has the keyframe it needs nothing older.
  bench.nack({lost});
  bench.run(50'000);
  EXPECT_EQ(bench.retransmissions, 2);
}

TEST("a viewer that was sent nothing yet goes over at once, and a switch back calls one off") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.createVideo(false, Bench::kSecondVideo);
  bench.consumeVideo();
  switchTo(bench, Bench::kSecondVideo);
  EXPECT_EQ(bench.events.switches.size(), 1);
  bench.sendVideo(3, true);
  bench.sendVideo(2, true, 500, Bench::kSecondVideo);
  bench.run(33'000);
  EXPECT_EQ(bench.video().size(), 2);
  switchTo(bench, Bench::kVideo);
  switchTo(bench, Bench::kSecondVideo);
  bench.sendVideo(3, true);
  bench.sendVideo(2, false, 500, Bench::kSecondVideo);
  bench.run(33'000);
  EXPECT_EQ(bench.video().size(), 4);
  // The second report is for an owner that had not heard of the move when it called the switch off.
  EXPECT_EQ(bench.events.switches.size(), 2);
  EXPECT(bench.events.switches[1] == bench.events.switches[0]);
  expectContinuous(bench.video());
}

TEST("a producer that is closed takes no switch with it, and a consumer of it ends with it") {
  Bench bench;
  watchFirst(bench);
  switchTo(bench, Bench::kSecondVideo);
  bench.core.closeProducer(Bench::kSecondVideo, bench.nowUs);
  bench.sendVideo(3, false);
  bench.run(33'000);
  EXPECT_EQ(bench.video().size(), 6);
  // The next one may be closed by its other end: a keyframe, then the former producer goes.
  bench.createVideo(false, Bench::kSecondVideo);
  switchTo(bench, Bench::kSecondVideo);
  bench.sendVideo(3, true, 1100, Bench::kSecondVideo);
  bench.run(33'000);
  const uint16_t old = bench.video()[1].view.sequenceNumber;
  bench.core.closeProducer(Bench::kVideo, bench.nowUs);
  bench.nack({old});
  bench.sendVideo(3, false, 1100, Bench::kSecondVideo);
  bench.run(33'000);
  EXPECT_EQ(bench.video().size(), 12);
  expectContinuous(bench.video());
  switchTo(bench, Bench::kVideo);
  bench.core.closeConsumer(Bench::kVideoConsumer);
  bench.sendVideo(3, true, 1100, Bench::kSecondVideo);
  bench.run(33'000);
  EXPECT_EQ(bench.video().size(), 12);
}

TEST("a consumer goes over at once when the producer that it leaves is closed") {
  Bench bench;
  watchFirst(bench);
  switchTo(bench, Bench::kSecondVideo);
  bench.core.closeProducer(Bench::kVideo, bench.nowUs);
  EXPECT(bench.events.switches ==
         (std::vector<std::pair<uint32_t, uint32_t>>{{Bench::kVideoConsumer, Bench::kSecondVideo}}));
  bench.sendVideo(2, false, 500, Bench::kSecondVideo);
  bench.sendVideo(3, true, 500, Bench::kSecondVideo);
  bench.run(33'000);
  EXPECT_EQ(bench.video().size(), 6);
  expectContinuous(bench.video());
}

TEST("a viewer that was sent nothing yet asks the producer that it goes over to for a keyframe") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.createVideo(false, Bench::kSecondVideo);
  // It asks the first producer, and so would have to wait before it asks again.
  bench.consumeVideo();
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], 1);
  switchTo(bench, Bench::kSecondVideo);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kSecondVideo], 1);
}

TEST("what a closed producer of sound has sent is not looked up when the viewer asks for it") {
  Bench bench;
  bench.connect();
  bench.createAudio();
  ProducerParameters sound;
  sound.video = false;
  sound.clockRateHz = 48'000;
  bench.core.createProducer(Bench::kSecondVideo, sound);
  ConsumerParameters parameters;
  parameters.ssrc = Bench::kVideoSsrc;
  parameters.rtxSsrc = Bench::kRtxSsrc;
  parameters.rtxPayloadType = 97;
  EXPECT(bench.core.consume(Bench::kAudioConsumer, Bench::kTransport, Bench::kAudio, parameters,
                            std::make_shared<ConsumerStats>(), bench.nowUs));
  bench.sendAudio();
  bench.run(33'000);
  const uint16_t sent = bench.video().back().view.sequenceNumber;
  bench.core.switchConsumer(Bench::kAudioConsumer, Bench::kSecondVideo, bench.nowUs);
  bench.core.closeProducer(Bench::kAudio, bench.nowUs);
  bench.nack({sent});
  bench.run(33'000);
  EXPECT_EQ(bench.retransmissions, 0);
}

TEST("switches in a row keep numbers and times whole, and follow the last order") {
  Bench bench;
  watchFirst(bench);
  uint32_t current = Bench::kVideo;
  for (int i = 0; i < 200; i += 1) {
    const uint32_t other = current == Bench::kVideo ? Bench::kSecondVideo : Bench::kVideo;
    switchTo(bench, other);
    bench.sendVideo(3, i % 3 == 0, 600, current);
    bench.sendVideo(2, i % 2 == 0, 600, other);
    bench.run(33'000);
    current = i % 2 == 0 ? other : current;
  }
  EXPECT_EQ(bench.events.switches.size(), 100);
  expectContinuous(bench.video());
  EXPECT_EQ(bench.undecryptable, 0);
}

}  // namespace streamkit::test
