#include "core/sound_wait.h"
#include "payload_frame.h"
#include "rtp_extension.h"
#include "test.h"
#include "virtual_network.h"

namespace streamkit::test {
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
      EXPECT_EQ(readU16(extensionElement(view, 2).data()), i);
      EXPECT(extensionElement(view, 1)[0] == '0');
      EXPECT_EQ(extensionElement(view, 4).size(), 8);
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
  // The report rides on the first burst.
  EXPECT_EQ(largest, Pacer::kBurstPackets + 1);
  EXPECT_EQ(bench.video().size(), 40);
}

TEST("a keyframe is spread at 2.5 times the target, and an ordinary frame goes out at once") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo(4e6);
  bench.answer();
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
  bench.sendVideo(600, true);
  for (int i = 0; i < 10; i += 1) {
    const int64_t sentUs = bench.nowUs;
    bench.sendAudio();
    bench.run(30'000);
    EXPECT(bench.received[Bench::kAudioSsrc].size() == static_cast<size_t>(i + 1));
    EXPECT(bench.received[Bench::kAudioSsrc].back().arrivedUs <=
           sentUs + SoundWait::kLeastUs + VirtualNetwork::kDelayUs);
  }
  EXPECT(bench.video().size() < 600);
}

TEST("sound leaves with the next burst of video, in one call, or alone where none comes") {
  for (const SrtpProfile profile : {SrtpProfile::kAeadAes128Gcm, SrtpProfile::kAes128CmSha1_80}) {
    Bench bench(1, profile);
    bench.connect();
    bench.createVideo();
    bench.createAudio();
    bench.consumeVideo();
    bench.consumeAudio();
    bench.sendVideo(1, true);
    bench.run(200'000);
    // No picture has come for long: none is waited for.
    const int64_t sentUs = bench.nowUs;
    bench.sendAudio();
    bench.run(50'000);
    EXPECT_EQ(bench.network.calls().back().atUs, sentUs);
    // A picture is due every 30 ms: until shortly before, sound does not wait for it.
    bench.sendVideo(1, false);
    bench.run(30'000);
    bench.sendVideo(1, false);
    bench.run(5'000);
    bench.network.calls().clear();
    const int64_t earlyUs = bench.nowUs;
    bench.sendAudio();
    bench.run(15'001);
    EXPECT(bench.network.calls().size() == 1 && bench.network.calls()[0].atUs == earlyUs);
    // Then it does, although the picture may be late.
    bench.network.calls().clear();
    const int64_t lateUs = bench.nowUs;
    bench.sendAudio();
    bench.run(20'000);
    EXPECT(bench.network.calls().size() == 1 &&
           bench.network.calls()[0].atUs == lateUs + SoundWait::kLeastUs);
    bench.video().clear();
    bench.network.calls().clear();
    bench.sendAudio();
    bench.run(5'000);
    EXPECT_EQ(bench.network.calls().size(), 0);
    // Thirty payloads of which the last is ten bytes short, as of a frame that is split into equal parts.
    EncodedFrame frame = payloadFrame(30, 1000);
    std::fill_n(frame.bytes.get(), 30'000, uint8_t{7});
    frame.offsets.back() -= 10;
    bench.core.sendFrame(Bench::kVideo, std::move(frame), false, bench.nowUs);
    bench.run(50'000);
    EXPECT(bench.network.calls().size() == 1 && bench.network.calls()[0].packets == 31);
    EXPECT_EQ(bench.received[Bench::kAudioSsrc].size(), 4);
    EXPECT_EQ(bench.undecryptable, 0);
    EXPECT_EQ(bench.video().size(), 30);
    for (size_t i = 0; i < bench.video().size(); i += 1) {
      const ReceivedRtp& packet = bench.video()[i];
      EXPECT_EQ(packet.bytes[0] >> 5 & 1, i == 29);
      EXPECT_EQ(packet.view.payload.size(), 1000);
    }
    // RFC 3550 section 5.1: its last byte counts the padding.
    const Bytes last = bench.video().back().view.payload;
    EXPECT(last[989] == 7 && last[990] == 0 && last[999] == 10);
    // What is sent again is the payload alone.
    bench.nack({bench.video().back().mediaSequenceNumber});
    bench.run(50'000);
    EXPECT(bench.retransmissions == 1 && bench.video().back().view.payload.size() == 990);
  }
}

TEST("a newcomer waits for a keyframe, and keeps asking, ever more seldom") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.sendVideo(2, true);
  bench.consumeVideo();
  const int64_t joinedUs = bench.nowUs;
  for (const int64_t askedAfterUs : {0, 1'000'000, 3'000'000, 7'000'000, 11'000'000}) {
    const int before = bench.events.keyframesWanted[Bench::kVideo];
    while (bench.nowUs < joinedUs + askedAfterUs + 100'000) {
      EXPECT(bench.nowUs > joinedUs + askedAfterUs || bench.events.keyframesWanted[Bench::kVideo] == before);
      bench.sendVideo(2, false);
      bench.run(33'333);
    }
    EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], askedAfterUs == 0 ? 1 : before + 1);
  }
  EXPECT_EQ(bench.video().size(), 0);
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
          bench.core.closeProducer(Bench::kVideo, bench.nowUs);
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
