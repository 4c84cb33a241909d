#include <algorithm>

#include "core/joined_sound.h"
#include "core/sound_wait.h"
#include "payload_frame.h"
#include "test.h"
#include "virtual_network.h"

// Sound that waits together as one packet of Opus.

namespace streamkit::test {
namespace {

/** RFC 6716 section 3.1: CELT, 20 ms, stereo, one frame. */
constexpr uint8_t kOneFrame = 0xfc;
constexpr uint32_t kSamples = 960;

EncodedFrame sound(uint32_t timestamp, size_t bytes, uint8_t fill, uint8_t first = kOneFrame) {
  EncodedFrame frame = payloadFrame(1, static_cast<uint32_t>(bytes));
  std::fill_n(frame.bytes.get(), bytes, fill);
  frame.bytes[0] = first;
  frame.rtpTimestamp = timestamp;
  return frame;
}

size_t joinedOf(std::vector<EncodedFrame> frames, unsigned maxMs = 0) {
  FrameHistory history(1'000'000, false);
  for (EncodedFrame& frame : frames) {
    history.push(std::move(frame), 0);
  }
  return JoinedSound().join(history, 0, maxMs);
}

void sendSound(Bench& bench, uint8_t fill) {
  bench.core.sendFrame(Bench::kAudio, sound(static_cast<uint32_t>(bench.nowUs * 48 / 1000), 160, fill), false,
                       bench.nowUs);
}

/** Viewers beside the bench's own, who only count. */
void addCrowd(Bench& bench, size_t viewers) {
  for (uint32_t i = 0; i < viewers; i += 1) {
    bench.core.createEndpoint(1000 + i, "crowd" + std::to_string(i), "password");
    bench.core.createTransport(100'000 + i, 1000 + i,
                               *SrtpSession::create({SrtpProfile::kAeadAes128Gcm, {}, {}}),
                               std::make_shared<TransportStats>());
  }
}

void begin(Bench& bench) {
  bench.connect();
  bench.createVideo();
  bench.createAudio();
  bench.consumeVideo();
  bench.consumeAudio();
  // With it goes the first sender report, a packet of its own.
  sendSound(bench, 0);
  for (int i = 0; i < 3; i += 1) {
    bench.run(33'000);
    bench.sendVideo(4, i == 0);
  }
  bench.run(1'000);
}

}  // namespace

TEST("frames of Opus are joined as RFC 6716 section 3.2.5 says, with lengths of one and of two bytes") {
  FrameHistory history(1'000'000, false);
  history.push(sound(0, 11, 1), 0);
  history.push(sound(kSamples, 304, 2), 0);
  history.push(sound(2 * kSamples, 5, 3), 0);
  JoinedSound joined;
  EXPECT_EQ(joined.join(history, 0, 0), 3);
  const Bytes payload = joined.payload();
  EXPECT_EQ(payload.size(), 2 + 1 + 2 + 10 + 303 + 4);
  EXPECT_EQ(payload[0], 0xff);
  EXPECT_EQ(payload[1], 0x80 | 3);
  EXPECT_EQ(payload[2], 10);
  // 303 = 255 + 4 * 12.
  EXPECT_EQ(payload[3], 255);
  EXPECT_EQ(payload[4], 12);
  EXPECT_EQ(payload[5], 1);
  EXPECT_EQ(payload[15], 2);
  EXPECT_EQ(payload[15 + 303], 3);
  EXPECT_EQ(payload.back(), 3);
  // The same again, and another beginning.
  EXPECT_EQ(joined.join(history, 0, 0), 3);
  EXPECT_EQ(joined.join(history, 1, 0), 2);
  EXPECT_EQ(joined.payload()[1], 0x80 | 2);
  history.push(sound(3 * kSamples, 5, 4), 0);
  EXPECT_EQ(joined.join(history, 1, 0), 3);
}

TEST("silence is joined as a frame of no bytes") {
  FrameHistory history(1'000'000, false);
  history.push(sound(0, 1, 1), 0);
  history.push(sound(kSamples, 3, 2), 0);
  JoinedSound joined;
  EXPECT_EQ(joined.join(history, 0, 0), 2);
  const std::vector<uint8_t> expected{0xff, 0x82, 0, 2, 2};
  EXPECT(std::ranges::equal(joined.payload(), expected));
}

TEST("only frames of one kind that come one right after the other are joined") {
  EXPECT_EQ(joinedOf({sound(0, 160, 1), sound(kSamples, 160, 1)}), 2);
  // Times follow a clock: an eighth of the frame more or less is no gap.
  EXPECT_EQ(joinedOf({sound(0, 160, 1), sound(kSamples + 120, 160, 1)}), 2);
  EXPECT_EQ(joinedOf({sound(0, 160, 1), sound(kSamples - 120, 160, 1)}), 2);
  EXPECT_EQ(joinedOf({sound(0, 160, 1), sound(kSamples + 121, 160, 1)}), 1);
  EXPECT_EQ(joinedOf({sound(0xffffffff, 160, 1), sound(kSamples - 1, 160, 1)}), 2);
  EXPECT_EQ(joinedOf({sound(0, 160, 1), sound(kSamples, 160, 1, 0xf4)}), 1);
  // Two frames in one packet.
  EXPECT_EQ(joinedOf({sound(0, 160, 1, 0xfd), sound(kSamples, 160, 1, 0xfd)}), 1);
  EXPECT_EQ(joinedOf({payloadFrame(2, 80), sound(kSamples, 160, 1)}), 1);
  EXPECT_EQ(joinedOf({sound(0, 160, 1), payloadFrame(2, 80)}), 1);
  EXPECT_EQ(joinedOf({sound(0, 160, 1)}), 1);
}

TEST("joined sound is no larger than a packet of an ordinary picture, and no longer than 120 ms") {
  // Each may take a byte more than before, its length instead of its first byte, and there are two for all.
  EXPECT_EQ(joinedOf({sound(0, 500, 1), sound(kSamples, 496, 1)}), 2);
  EXPECT_EQ(joinedOf({sound(0, 500, 1), sound(kSamples, 497, 1)}), 1);
  EXPECT_EQ(joinedOf({sound(0, 9, 1), sound(960, 9, 1), sound(1920, 9, 1), sound(2880, 9, 1)}), 3);
  // SILK, 60 ms.
  EXPECT_EQ(joinedOf({sound(0, 9, 1, 0x18), sound(2880, 9, 1, 0x18), sound(5760, 9, 1, 0x18)}), 2);
}

TEST("joined sound lasts no longer than the viewer takes of one packet") {
  for (const auto& [maxMs, count] :
       {std::pair{1U, 1U}, {20U, 1U}, {39U, 1U}, {40U, 2U}, {60U, 3U}, {UINT32_MAX, 3U}}) {
    EXPECT_EQ(joinedOf({sound(0, 9, 1), sound(960, 9, 1), sound(1920, 9, 1), sound(2880, 9, 1)}, maxMs),
              count);
  }
  // Viewers who take different ones have the same to come.
  FrameHistory history(1'000'000, false);
  for (uint32_t i = 0; i < 3; i += 1) {
    history.push(sound(i * kSamples, 9, 1), 0);
  }
  JoinedSound joined;
  EXPECT_EQ(joined.join(history, 0, 0), 3);
  EXPECT_EQ(joined.join(history, 0, 40), 2);
  EXPECT_EQ(joined.payload()[1], 0x80 | 2);
  EXPECT_EQ(joined.join(history, 0, 0), 3);
  EXPECT_EQ(joined.payload()[1], 0x80 | 3);
}

TEST("in a large crowd a viewer that takes 20 ms of sound in one packet is sent no more") {
  Bench bench;
  bench.packetTimeMaxMs = 20;
  addCrowd(bench, SoundWait::kCrowd);
  begin(bench);
  auto& received = bench.received[Bench::kAudioSsrc];
  received.clear();
  sendSound(bench, 1);
  bench.run(20'000);
  sendSound(bench, 2);
  bench.run(12'000);
  bench.sendVideo(4, false);
  bench.run(30'000);
  EXPECT_EQ(received.size(), 2);
  EXPECT_EQ(received[0].view.payload[0], kOneFrame);
}

TEST("in a large crowd all sound leaves with the next picture, as one packet in one call") {
  Bench bench;
  addCrowd(bench, SoundWait::kCrowd);
  begin(bench);
  auto& received = bench.received[Bench::kAudioSsrc];
  received.clear();
  bench.network.calls().clear();
  sendSound(bench, 1);
  bench.run(20'000);
  sendSound(bench, 2);
  bench.run(12'000);
  EXPECT_EQ(bench.network.calls().size(), 0);
  bench.sendVideo(4, false);
  bench.run(30'000);
  EXPECT_EQ(bench.network.calls().size(), 1);
  EXPECT_EQ(bench.network.calls()[0].packets, 5);
  EXPECT_EQ(received.size(), 1);
  EXPECT_EQ(received[0].view.payload[1], 0x82);
  const uint16_t number = received[0].view.sequenceNumber;
  sendSound(bench, 3);
  bench.run(100'000);
  // Nothing came to be joined with, and no picture: it did not wait for longer than it may.
  EXPECT_EQ(bench.network.calls().back().atUs, bench.nowUs - 100'000 + SoundWait::kMostUs);
  EXPECT_EQ(received.back().view.sequenceNumber, static_cast<uint16_t>(number + 1));
  EXPECT_EQ(received.back().view.payload[0], kOneFrame);
  EXPECT_EQ(bench.undecryptable, 0);
}

TEST("a viewer that loses packets gets each packet of sound for itself, with the one before") {
  Bench bench;
  addCrowd(bench, SoundWait::kCrowd);
  begin(bench);
  auto& received = bench.received[Bench::kAudioSsrc];
  auto compound = fromHex("81c90007 00000001 00002000 00000000 00010002 00000384 00000000 00000000");
  compound[12] = 256 * 2 / 100;
  bench.sendRtcp(compound);
  sendSound(bench, 1);
  bench.run(20'000);
  sendSound(bench, 2);
  bench.run(12'000);
  received.clear();
  bench.sendVideo(4, false);
  bench.run(30'000);
  EXPECT_EQ(received.size(), 2);
  EXPECT_EQ(received[1].view.payloadType, Bench::kRedPayloadType);
  EXPECT_EQ(received[1].view.payload.size(), 4 + 1 + 160 + 160);
}

}  // namespace streamkit::test
