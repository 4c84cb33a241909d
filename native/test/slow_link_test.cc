#include <algorithm>
#include <set>

#include "core/resend_queue.h"
#include "payload_frame.h"
#include "test.h"
#include "virtual_network.h"

// What a viewer is sent whose link cannot take what the source makes.

namespace streamkit::test {

TEST("retransmissions take a quarter of what is sent at most, whatever a viewer asks for") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo(4e6);
  bench.answer();
  bench.sendVideo(2, true);
  for (int i = 0; i < 300; i += 1) {
    bench.sendVideo(15, false);
    bench.run(33'333);
    std::vector<uint16_t> all;
    for (size_t k = bench.video().size() - std::min<size_t>(60, bench.video().size());
         k < bench.video().size(); k += 1) {
      all.push_back(bench.video()[k].mediaSequenceNumber);
    }
    bench.nack(all);
  }
  const double sent = static_cast<double>(bench.videoStats().packetsSent);
  const double resent = static_cast<double>(bench.videoStats().packetsRetransmitted);
  EXPECT(resent > sent * 0.2);
  EXPECT(resent < sent * 0.26);
  // And the live picture does not wait for them.
  EXPECT_EQ(bench.videoStats().framesDropped, 0);
}

TEST("a live picture does not wait until all that a viewer asks for has been sent again") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo(4e6);
  bench.answer();
  bench.sendVideo(2, true);
  for (int i = 0; i < 15; i += 1) {
    bench.run(33'333);
    bench.sendVideo(15, false);
  }
  bench.run(33'333);
  std::vector<uint16_t> lost;
  for (size_t i = bench.video().size() - 100; i < bench.video().size(); i += 1) {
    lost.push_back(bench.video()[i].mediaSequenceNumber);
  }
  const size_t before = bench.video().size();
  bench.nack(lost);
  bench.sendVideo(15, false);
  bench.run(VirtualNetwork::kDelayUs + 1'000);
  const auto live =
      std::count_if(bench.video().begin() + static_cast<std::ptrdiff_t>(before), bench.video().end(),
                    [](const ReceivedRtp& each) { return each.view.ssrc == Bench::kVideoSsrc; });
  EXPECT_EQ(live, 15);
  // The rest of what was asked for comes behind it.
  const size_t resent = bench.retransmissions;
  EXPECT(resent > 0 && resent < 40);
  bench.run(100'000);
  EXPECT(bench.retransmissions > resent + 20);
}

TEST("of what a viewer asks for again the newest frame comes first, each in its order") {
  ResendQueue queue;
  Consumer* const nobody = nullptr;
  queue.push({nobody, 100, 7, 7});
  queue.push({nobody, 200, 9, 9});
  queue.push({nobody, 100, 6, 6});
  queue.push({nobody, 300, 12, 12});
  queue.push({nobody, 200, 8, 8});
  for (const int expected : {12, 8, 9, 6, 7}) {
    EXPECT_EQ(queue.pop().sequenceNumber, expected);
  }
  for (uint16_t i = 0; i <= ResendQueue::kMaxPackets; i += 1) {
    queue.push({nobody, i, i, static_cast<uint16_t>(i)});
  }
  EXPECT_EQ(queue.size(), ResendQueue::kMaxPackets);
  EXPECT_EQ(queue.pop().sequenceNumber, ResendQueue::kMaxPackets);
  while (queue.size() > 1) {
    queue.pop();
  }
  // The oldest of all has made room.
  EXPECT_EQ(queue.pop().sequenceNumber, 1);
}

TEST("a frame that a retransmission would reach too late is given up for a keyframe") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(1, true);
  bench.run(2'000'000);
  bench.sendVideo(3, false);
  bench.run(600'000);
  const int before = bench.events.keyframesWanted[Bench::kVideo];
  bench.nack({bench.video().back().mediaSequenceNumber});
  bench.run(50'000);
  EXPECT_EQ(bench.retransmissions, 0);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], before + 1);
}

TEST("pictures that have waited for 150 ms are dropped up to a keyframe, and sound is not") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.createAudio();
  bench.consumeVideo(400'000);
  bench.consumeAudio();
  bench.answer();
  bench.sendVideo(2, true);
  // 3 Mbit/s, of which the pacer lets through a third.
  for (int i = 0; i < 100; i += 1) {
    bench.sendVideo(11, false);
    bench.sendAudio();
    bench.run(33'333);
  }
  EXPECT(bench.videoStats().framesDropped > 80);
  EXPECT_EQ(bench.received[Bench::kAudioSsrc].size(), 100);
  bench.video().clear();
  // The next keyframe is sent whole, though it alone takes longer than that.
  bench.sendVideo(40, true);
  bench.run(1'000'000);
  EXPECT_EQ(bench.video().size(), 40);
  EXPECT(bench.video().back().arrivedUs - bench.video().front().arrivedUs > 200'000);
  EXPECT_EQ(bench.undecryptable, 0);
}

TEST("sound that fills the link leaves a picture its turn now and then") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.createAudio();
  bench.consumeVideo(60'000);
  bench.consumeAudio();
  bench.answer();
  for (int second = 0; second < 5; second += 1) {
    bench.sendVideo(2, true);
    for (int i = 0; i < 50; i += 1) {
      // 400 kbit/s, where the pacer lets through 310.
      bench.core.sendFrame(Bench::kAudio, payloadFrame(1, 1000), false, bench.nowUs);
      bench.run(20'000);
    }
  }
  EXPECT_EQ(bench.received[Bench::kAudioSsrc].size(), 250);
  EXPECT_EQ(bench.video().size(), 10);
}

TEST("a viewer that is not reached yet costs the others no keyframe, and gets one when it is") {
  Bench bench;
  bench.core.createEndpoint(Bench::kEndpoint, "ours", "our-password");
  bench.core.setRemoteCredentials(Bench::kEndpoint, "theirs", "their-password");
  bench.createTransport();
  bench.createVideo();
  bench.consumeVideo();
  for (int i = 0; i < 30; i += 1) {
    bench.sendVideo(1, i == 0);
    bench.run(33'333);
  }
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], 0);
  bench.select(bench.viewer);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], 1);
}

TEST("streams of one transport must have SSRCs of their own, and there may not be endlessly many") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  ConsumerParameters parameters;
  parameters.ssrc = 7;
  parameters.rtxSsrc = 7;
  const auto consume = [&](uint32_t id) {
    return bench.core.consume(id, Bench::kTransport, Bench::kVideo, parameters,
                              std::make_shared<ConsumerStats>(), bench.nowUs);
  };
  EXPECT(!consume(50));
  parameters.rtxSsrc = 8;
  EXPECT(consume(50));
  parameters.ssrc = 8;
  parameters.rtxSsrc = 0;
  EXPECT(!consume(51));
  size_t admitted = 0;
  for (uint32_t i = 0; i < 1000; i += 1) {
    parameters.ssrc = 1000 + i;
    if (consume(100 + i)) {
      admitted += 1;
      bench.core.closeConsumer(100 + i);
    }
  }
  EXPECT(admitted > 400 && admitted < MediaTransport::kMaxSsrcs);
}

}  // namespace streamkit::test
