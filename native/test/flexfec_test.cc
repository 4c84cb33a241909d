#include <algorithm>

#include "core/flexfec_encoder.h"
#include "network_simulator.h"
#include "test.h"
#include "virtual_network.h"

// Packets by which lost ones are restored.

namespace streamkit::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint32_t kSeeds = 2;
#else
constexpr uint32_t kSeeds = 10;
#endif

/** A receiver report for the video. @param share 0 to 1 */
void reportLoss(Bench& bench, double share) {
  auto compound = fromHex("81c90007 00000001 00001000 00000000 00010002 00000384 00000000 00000000");
  compound[12] = static_cast<uint8_t>(share * 256);
  bench.sendRtcp(compound);
}

/** Repair packets of one picture of so many packets. */
size_t repairsOf(Bench& bench, uint32_t packets) {
  const size_t before = bench.received[Bench::kFecSsrc].size();
  bench.sendVideo(packets, false);
  bench.run(100'000);
  return bench.received[Bench::kFecSsrc].size() - before;
}

void begin(Bench& bench, bool takesRepairs = true) {
  bench.connect();
  bench.createVideo();
  bench.consumeVideo(4e6, takesRepairs);
  bench.sendVideo(8, true);
  bench.run(100'000);
}

struct Result {
  SimulatedPlayer::Seen seen;
  double extraShare;
};

/** A viewer at 4 Mbit/s over a link with a round trip of 50 ms, once it has reported its losses. */
Result watch(uint32_t seed, SimulatedLink::Profile profile, bool takesRepairs) {
  NetworkSimulator network(seed);
  const size_t link = network.addLink();
  network.link(link).profile = {.rateBps = 20e6, .queueBytes = 500'000, .delayUs = 25'000};
  SimulatedViewer& viewer = network.viewer(network.addViewer(link, takesRepairs));
  viewer.encoder.maxBitrateBps = 4e6;
  network.run(3'000'000);
  SimulatedPlayer& player = viewer.play();
  profile.rateBps = 20e6;
  profile.queueBytes = 500'000;
  profile.delayUs = 25'000;
  network.link(link).profile = profile;
  network.run(4'000'000);
  player.take();
  const uint64_t extra = viewer.paddingBytes + viewer.repairBytes;
  const uint64_t all = viewer.arrivedBytes;
  network.run(30'000'000);
  return {player.take(), static_cast<double>(viewer.paddingBytes + viewer.repairBytes - extra) /
                             static_cast<double>(viewer.arrivedBytes - all)};
}

}  // namespace

TEST("a repair packet is laid out as flexfec-03 has it") {
  FlexfecPacket repair;
  const auto packet = [](uint16_t number, uint32_t timestamp) {
    std::vector<uint8_t> header = fromHex("90e00000 00000000 00001000 bede0001 10aa0000");
    writeU16(&header[2], number);
    writeU32(&header[4], timestamp);
    return header;
  };
  EXPECT(repair.empty());
  EXPECT(repair.add(0xfffe, packet(0xfffe, 0x01020304), fromHex("010203")));
  EXPECT(repair.add(1, packet(1, 0x01020305), fromHex("ff")));
  const Bytes first = repair.write(0x1000);
  // Bits 0 and 3 of the mask, which its own bit ends.
  EXPECT((std::vector<uint8_t>(first.begin(), first.end()) ==
          fromHex("00000002 00000001 01000000 00001000 fffec800 00000000 00000000 fe0203")));
  // Farther than the short mask reaches.
  EXPECT(repair.add(18, packet(18, 0), fromHex("00")));
  const Bytes longer = repair.write(0x1000);
  EXPECT_EQ(longer.size(), 24 + 8 + 3);
  EXPECT_EQ(readU16(&longer[18]), 1 << 14 | 1 << 11);
  EXPECT_EQ(readU32(&longer[20]), 1u << 31 | 1u << (45 - 20));
  EXPECT(!repair.add(44, packet(44, 0), fromHex("00")));
  repair.clear();
  EXPECT(repair.empty());
  EXPECT(repair.add(7, packet(7, 0), {}));
  EXPECT_EQ(repair.write(0x1000).size(), 20 + 8);
}

TEST("whichever packet of a picture is lost is restored as it was") {
  for (const uint32_t packets : {1u, 2u, 8u, 9u, 15u, 40u, 100u}) {
    Bench bench;
    begin(bench);
    reportLoss(bench, 0.05);
    const size_t videoBefore = bench.video().size();
    const size_t repairsBefore = bench.received[Bench::kFecSsrc].size();
    bench.sendVideo(packets, false, 900 + packets);
    bench.run(300'000);
    EXPECT_EQ(bench.video().size() - videoBefore, packets);
    for (size_t lost = videoBefore; lost < bench.video().size(); lost += 1) {
      SimulatedPlayer player(20'000, 50'000);
      player.onPacket(bench.video()[0].bytes, bench.nowUs, bench.nowUs);
      for (size_t each = 1; each < bench.video().size(); each += 1) {
        if (each != lost) {
          player.onPacket(bench.video()[each].bytes, bench.nowUs, bench.nowUs);
        }
      }
      const auto& repairs = bench.received[Bench::kFecSsrc];
      for (size_t each = repairsBefore; each < repairs.size(); each += 1) {
        player.onPacket(repairs[each].bytes, bench.nowUs, bench.nowUs);
      }
      EXPECT_EQ(player.restored, 1);
      EXPECT(player.packetOf(bench.video()[lost].mediaSequenceNumber) ==
             SimulatedPlayer::withoutTransportSequence(bench.video()[lost].bytes));
    }
  }
}

TEST("repair packets are sent from 3 % loss on, no longer than 5 s after the last, and to nobody else") {
  Bench bench;
  begin(bench);
  EXPECT_EQ(repairsOf(bench, 8), 0);
  reportLoss(bench, 0.02);
  EXPECT_EQ(repairsOf(bench, 8), 0);
  reportLoss(bench, 0.03);
  EXPECT_EQ(repairsOf(bench, 8), 1);
  EXPECT_EQ(repairsOf(bench, 16), 2);
  EXPECT_EQ(repairsOf(bench, 1), 1);
  EXPECT_EQ(bench.videoStats().repairPacketsSent.get(), 4);
  size_t repairBytes = 0;
  for (const ReceivedRtp& repair : bench.received[Bench::kFecSsrc]) {
    // Without the tag of SRTP.
    repairBytes += repair.bytes.size() + 16;
  }
  EXPECT_EQ(bench.videoStats().repairBytesSent.get(), repairBytes);
  // The last packet is not sent twice where a repair packet restores it.
  EXPECT_EQ(bench.retransmissions, 0);
  reportLoss(bench, 0);
  bench.run(4'500'000);
  EXPECT_EQ(repairsOf(bench, 8), 1);
  bench.run(1'000'000);
  EXPECT_EQ(repairsOf(bench, 8), 0);
  Bench other;
  begin(other, false);
  reportLoss(other, 0.05);
  EXPECT_EQ(repairsOf(other, 8), 0);
}

TEST("repair packets and retransmissions together are a quarter of what a viewer is sent at most") {
  Bench bench;
  begin(bench);
  for (int i = 0; i < 600; i += 1) {
    if (i % 30 == 0) {
      reportLoss(bench, 0.3);
    }
    // Of one packet each: a repair packet is as large.
    bench.sendVideo(1, false);
    bench.run(33'333);
  }
  const size_t repairs = bench.received[Bench::kFecSsrc].size();
  EXPECT(repairs > 100 && repairs < 190);
}

TEST("of small pictures as many have a repair packet as a quarter of what is sent allows") {
  // One repair packet for four packets is all that the budget has; for two of them it is every other picture.
  for (const auto [packets, least, most] : {std::array{6u, 95u, 100u}, {4u, 90u, 100u}, {2u, 45u, 70u}}) {
    Bench bench;
    begin(bench);
    for (int i = 0; i < 900; i += 1) {
      if (i % 30 == 0) {
        reportLoss(bench, 0.05);
      }
      bench.sendVideo(packets, false);
      bench.run(33'333);
    }
    const size_t percent = bench.received[Bench::kFecSsrc].size() * 100 / 900;
    EXPECT(percent >= least && percent <= most);
    const ConsumerStats& stats = bench.videoStats();
    EXPECT(static_cast<double>(stats.repairBytesSent.get()) <=
           0.27 * static_cast<double>(stats.bytesSent.get()) + 8 * 1024);
  }
}

TEST("an SSRC of repair packets that is used again goes on where it ended") {
  Bench bench;
  begin(bench);
  for (int round = 0; round < 2; round += 1) {
    reportLoss(bench, 0.05);
    EXPECT_EQ(repairsOf(bench, 8), 1);
    bench.core.closeConsumer(Bench::kVideoConsumer);
    bench.consumeVideo(4e6, true);
    bench.sendVideo(8, true);
    bench.run(100'000);
  }
  EXPECT_EQ(bench.undecryptable, 0);
  const auto& repairs = bench.received[Bench::kFecSsrc];
  EXPECT_EQ(repairs.size(), 2);
  EXPECT_EQ(static_cast<uint16_t>(repairs[1].view.sequenceNumber - repairs[0].view.sequenceNumber), 1);
}

TEST("repair packets go only over a link that has room for them") {
  const auto shareOf = [](double rateBps) {
    NetworkSimulator network(5);
    const size_t link = network.addLink();
    network.link(link).profile = {.rateBps = rateBps, .queueBytes = rateBps / 8 * 0.2, .delayUs = 25'000};
    SimulatedViewer& viewer = network.viewer(network.addViewer(link, true));
    viewer.encoder.isFixed = true;
    viewer.encoder.bitrateBps = 3e6;
    network.run(5'000'000);
    viewer.play();
    network.link(link).profile.loss = 0.05;
    network.run(20'000'000);
    return static_cast<double>(viewer.repairBytes) / static_cast<double>(viewer.arrivedBytes);
  };
  EXPECT(shareOf(3.4e6) < 0.02);
  EXPECT(shareOf(8e6) > 0.05);
}

TEST("at 5 % loss and a round trip of 50 ms repair packets get 99 % of the pictures shown, and in time") {
  const auto mean = [](bool takesRepairs) {
    SimulatedPlayer::Seen sum;
    double extraShare = 0;
    for (uint32_t seed = 1; seed <= kSeeds; seed += 1) {
      const Result result = watch(seed, {.loss = 0.05}, takesRepairs);
      sum.shown += result.seen.shown / kSeeds;
      sum.onTime += result.seen.onTime / kSeeds;
      sum.longestGapUs = std::max(sum.longestGapUs, result.seen.longestGapUs);
      extraShare += result.extraShare / kSeeds;
    }
    EXPECT(sum.longestGapUs <= 200'000);
    // Of what arrives: a quarter of the rest at most.
    EXPECT(extraShare <= 0.21);
    return sum;
  };
  const SimulatedPlayer::Seen without = mean(false);
  const SimulatedPlayer::Seen with = mean(true);
  EXPECT(with.shown >= 0.99);
  EXPECT(with.onTime >= 0.99);
  EXPECT(with.onTime > without.onTime);
}

TEST("at 10 % loss and a round trip of 50 ms more than 92 % of the pictures are whole in time") {
  double onTime = 0;
  for (uint32_t seed = 1; seed <= kSeeds; seed += 1) {
    const Result result = watch(seed, {.loss = 0.1}, true);
    onTime += result.seen.onTime / kSeeds;
    EXPECT(result.extraShare <= 0.22);
  }
  EXPECT(onTime > 0.92);
}

}  // namespace streamkit::test
