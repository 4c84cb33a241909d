#include <algorithm>

#include "payload_frame.h"
#include "test.h"
#include "virtual_network.h"

// RED (RFC 2198) for a viewer that loses packets of sound.

namespace streamkit::test {
namespace {

/** Sound of 20 ms whose bytes are its number. */
void sendSound(Bench& bench, uint8_t number, size_t bytes = 160) {
  EncodedFrame frame = payloadFrame(1, static_cast<uint32_t>(bytes));
  std::fill_n(frame.bytes.get(), bytes, number);
  frame.rtpTimestamp = number * 960u;
  bench.core.sendFrame(Bench::kAudio, std::move(frame), false, bench.nowUs);
  bench.run(20'000);
}

/** @param fractionLost in 256ths */
void reportLoss(Bench& bench, uint8_t fractionLost) {
  auto compound = fromHex("81c90007 00000001 00002000 00000000 00010002 00000384 00000000 00000000");
  compound[12] = fractionLost;
  bench.sendRtcp(compound);
}

const ReceivedRtp& last(Bench& bench) {
  return bench.received[Bench::kAudioSsrc].back();
}

void begin(Bench& bench) {
  bench.connect();
  bench.createAudio();
  bench.consumeAudio();
}

}  // namespace

TEST("sound is sent plain as long as nothing is lost") {
  Bench bench;
  begin(bench);
  reportLoss(bench, 0);
  sendSound(bench, 1);
  sendSound(bench, 2);
  EXPECT(last(bench).view.payloadType != Bench::kRedPayloadType);
  EXPECT_EQ(last(bench).view.payload.size(), 160);
}

TEST("a viewer that loses packets gets the one before with each, and two where it loses many") {
  Bench bench;
  begin(bench);
  const uint8_t opus = [&] {
    sendSound(bench, 1);
    return last(bench).view.payloadType;
  }();
  reportLoss(bench, 256 * 2 / 100);
  sendSound(bench, 2);
  EXPECT_EQ(last(bench).view.payloadType, Bench::kRedPayloadType);
  const Bytes one = last(bench).view.payload;
  EXPECT_EQ(one.size(), 4 + 1 + 160 + 160);
  EXPECT_EQ(readU32(one.data()), 0x80000000u | uint32_t{opus} << 24 | 960u << 10 | 160);
  EXPECT_EQ(one[4], opus);
  EXPECT_EQ(one[5], 1);
  EXPECT_EQ(one[5 + 160], 2);
  reportLoss(bench, 256 * 10 / 100);
  sendSound(bench, 3);
  const Bytes two = last(bench).view.payload;
  EXPECT_EQ(two.size(), 2 * 4 + 1 + 3 * 160);
  EXPECT_EQ(readU32(two.data()) >> 10 & 0x3fff, 2 * 960);
  EXPECT_EQ(two[9], 1);
  EXPECT_EQ(two[9 + 160], 2);
  EXPECT_EQ(two[9 + 320], 3);
  EXPECT_EQ(bench.undecryptable, 0);
}

TEST("on a link that is nearly full of sound none is repeated") {
  Bench bench;
  begin(bench);
  sendSound(bench, 1);
  reportLoss(bench, 256 * 10 / 100);
  // Each block is 64 kbit/s, and all of them may take half of the link.
  const auto blocksAt = [&](uint32_t estimatedBps, uint8_t number) {
    auto remb = fromHex("8fce0005 00000001 00000000 52454d42 01000000 00002000");
    remb[17] = static_cast<uint8_t>(estimatedBps >> 16);
    remb[18] = static_cast<uint8_t>(estimatedBps >> 8);
    remb[19] = static_cast<uint8_t>(estimatedBps);
    bench.sendRtcp(remb);
    sendSound(bench, number);
    return last(bench).view.payload.size() / 160;
  };
  EXPECT_EQ(blocksAt(250'000, 2), 1);
  EXPECT_EQ(blocksAt(120'000, 3), 1);
  EXPECT_EQ(blocksAt(260'000, 4), 2);
}

TEST("ten seconds after the last loss sound is plain again") {
  Bench bench;
  begin(bench);
  sendSound(bench, 1);
  reportLoss(bench, 20);
  reportLoss(bench, 0);
  sendSound(bench, 2);
  EXPECT_EQ(last(bench).view.payloadType, Bench::kRedPayloadType);
  bench.run(10'000'000);
  reportLoss(bench, 0);
  sendSound(bench, 3);
  EXPECT(last(bench).view.payloadType != Bench::kRedPayloadType);
}

TEST("a viewer that loses fewer packets than before gets one block instead of two after ten seconds") {
  Bench bench;
  begin(bench);
  reportLoss(bench, 256 * 10 / 100);
  const int64_t manyLostUs = bench.nowUs;
  uint8_t number = 0;
  while (bench.nowUs < manyLostUs + 10'000'000) {
    reportLoss(bench, 256 * 2 / 100);
    sendSound(bench, number++);
  }
  EXPECT_EQ(last(bench).view.payload.size(), 2 * 4 + 1 + 3 * 160);
  bench.run(20'000);
  reportLoss(bench, 256 * 2 / 100);
  sendSound(bench, number++);
  EXPECT_EQ(last(bench).view.payload.size(), 4 + 1 + 2 * 160);
}

TEST("if only one of two blocks fits, the older one is left out") {
  Bench bench;
  begin(bench);
  sendSound(bench, 1, 400);
  sendSound(bench, 2, 400);
  reportLoss(bench, 256 * 10 / 100);
  sendSound(bench, 3, 400);
  const Bytes payload = last(bench).view.payload;
  EXPECT_EQ(payload.size(), 4 + 1 + 2 * 400);
  EXPECT_EQ(readU32(payload.data()) >> 10 & 0x3fff, 960);
  EXPECT_EQ(payload[5], 2);
}

TEST("what a viewer loses of its pictures counts for its sound, which it reports more seldom") {
  Bench bench;
  begin(bench);
  bench.createVideo();
  bench.consumeVideo();
  sendSound(bench, 1);
  sendSound(bench, 2);
  auto compound = fromHex("81c90007 00000001 00001000 00000000 00010002 00000384 00000000 00000000");
  compound[12] = static_cast<uint8_t>(256 * 0.03);
  bench.sendRtcp(compound);
  sendSound(bench, 3);
  EXPECT_EQ(last(bench).view.payload.size(), 2 * 4 + 1 + 3 * 160);
}

TEST("a viewer that does not take RED gets plain sound whatever it loses") {
  Bench bench;
  bench.connect();
  bench.createAudio();
  bench.consumeAudio(0);
  sendSound(bench, 1);
  const uint8_t opus = last(bench).view.payloadType;
  reportLoss(bench, 256 * 10 / 100);
  sendSound(bench, 2);
  EXPECT_EQ(last(bench).view.payloadType, opus);
  EXPECT_EQ(last(bench).view.payload.size(), 160);
}

TEST("sound whose predecessor is further back than a block header can say is sent plain") {
  Bench bench;
  begin(bench);
  sendSound(bench, 1);
  reportLoss(bench, 256 * 10 / 100);
  // 20,160 ticks later; the field has 14 bits.
  sendSound(bench, 22);
  EXPECT(last(bench).view.payloadType != Bench::kRedPayloadType);
  EXPECT_EQ(last(bench).view.payload.size(), 160);
  sendSound(bench, 23);
  EXPECT_EQ(last(bench).view.payload.size(), 4 + 1 + 2 * 160);
}

TEST("a sender report counts the octets of the repeated sound too") {
  Bench bench;
  begin(bench);
  reportLoss(bench, 256 * 10 / 100);
  size_t reports = 0;
  for (uint8_t number = 1; number < 100 && reports < 2; number += 1) {
    sendSound(bench, number);
    reports = bench.receivedRtcp.size();
  }
  EXPECT_EQ(reports, 2);
  EXPECT_EQ(last(bench).view.payloadType, Bench::kRedPayloadType);
  size_t octets = 0;
  for (const ReceivedRtp& packet : bench.received[Bench::kAudioSsrc]) {
    octets += packet.view.payload.size();
  }
  // RFC 3550 section 6.4.1.
  EXPECT_EQ(readU32(bench.receivedRtcp.back().data() + 24), octets);
}

TEST("sound that is too large to be repeated is sent plain") {
  Bench bench;
  begin(bench);
  sendSound(bench, 1, 700);
  reportLoss(bench, 20);
  sendSound(bench, 2, 700);
  EXPECT_EQ(last(bench).view.payload.size(), 700);
}

}  // namespace streamkit::test
