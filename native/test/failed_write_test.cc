#include "payload_frame.h"
#include "test.h"
#include "virtual_network.h"

// What is left of packets that could not be written: nothing, neither in numbers, reports nor the history.

namespace streamkit::test {
namespace {

/** What a packet of the bench has beside its payload: headers and the tag of SRTP. */
constexpr uint32_t kOverheadBytes = 52;

}  // namespace

TEST("a packet that cannot be written takes no number, is in no report, and cannot be asked for") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.answer();
  bench.sendVideo(3, true);
  bench.run(2'000'000);
  const int wanted = bench.events.keyframesWanted[Bench::kVideo];
  // The second of its payloads is larger than a packet may be.
  EncodedFrame frame = payloadFrame(3, 1200);
  frame.offsets = {0, 1000, 1000 + PacketBatch::kMaxPacketBytes - kOverheadBytes + 1, 3600};
  bench.core.sendFrame(Bench::kVideo, std::move(frame), false, bench.nowUs);
  bench.run(100'000);
  EXPECT_EQ(bench.video().size(), 4);
  EXPECT_EQ(bench.videoStats().packetsSent, 4);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], wanted + 1);
  const auto next = static_cast<uint16_t>(bench.video().back().view.sequenceNumber + 1);
  bench.nack({next});
  bench.run(100'000);
  EXPECT_EQ(bench.retransmissions, 0);
  // The number is that of what comes next.
  bench.sendVideo(3, true);
  bench.run(100'000);
  EXPECT_EQ(bench.video().size(), 7);
  EXPECT_EQ(bench.video()[4].view.sequenceNumber, next);
  bench.nack({next});
  bench.run(100'000);
  EXPECT_EQ(bench.retransmissions, 1);
  EXPECT_EQ(tagOf(bench.video().back()), tagOf(bench.video()[4]));
  const size_t reports = bench.receivedRtcp.size();
  bench.run(2'000'000);
  bench.sendVideo(1, false);
  bench.run(100'000);
  EXPECT_EQ(bench.receivedRtcp.size(), reports + 1);
  EXPECT_EQ(readU32(&bench.receivedRtcp.back()[20]), 3 + 1 + 3 + 1);
  EXPECT_EQ(readU32(&bench.receivedRtcp.back()[24]), 7 * 1100 + 1000);
  EXPECT_EQ(bench.undecryptable, 0);
}

TEST("a retransmission that cannot be written takes no number and is not counted") {
  Bench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(1, true);
  // It fits alone, but not with the two bytes of RFC 4588.
  bench.sendVideo(1, false, PacketBatch::kMaxPacketBytes - kOverheadBytes - 1);
  bench.sendVideo(1, false);
  bench.run(50'000);
  const uint16_t first = bench.video()[0].mediaSequenceNumber;
  for (uint16_t i = 0; i < 3; i += 1) {
    bench.nack({static_cast<uint16_t>(first + i)});
    bench.run(50'000);
  }
  EXPECT_EQ(bench.retransmissions, 2);
  EXPECT_EQ(bench.videoStats().packetsRetransmitted, 2);
  EXPECT_EQ(bench.video().size(), 5);
  EXPECT_EQ(bench.video()[4].view.sequenceNumber, bench.video()[3].view.sequenceNumber + 1);
}

}  // namespace streamkit::test
