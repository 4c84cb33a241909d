#include <cmath>

#include "core/playout_delay.h"
#include "network_simulator.h"
#include "rtp_extension.h"
#include "test.h"
#include "virtual_network.h"

// What a viewer that loses packets is told of when to show its pictures.

namespace streamkit::test {
namespace {

/** What a viewer counts. */
struct Counts {
  uint32_t highestSequence = 0xfffff000;
  int32_t packetsLost = 0;

  ReportBlock after(uint32_t packets, uint32_t lost) {
    highestSequence += packets;
    packetsLost += static_cast<int32_t>(lost);
    ReportBlock block;
    block.highestSequence = highestSequence;
    block.packetsLost = packetsLost;
    return block;
  }
};

/** A receiver report for the video, of 200 packets. @param rttMs that it shows to the server */
void report(Bench& bench, Counts& counts, uint32_t lost, double rttMs) {
  const ReportBlock block = counts.after(200, lost);
  auto compound = fromHex("81c90007 00000001 00001000 00000000 00010002 00000384 00000000 00000000");
  writeU24(&compound[13], static_cast<uint32_t>(block.packetsLost));
  writeU32(&compound[16], block.highestSequence);
  const auto& last = bench.receivedRtcp.back();
  const double ntp = readU32(&last[8]) + readU32(&last[12]) / 4294967296.0 - 2'208'988'800.0;
  const double sinceUs = static_cast<double>(bench.nowUs) - (ntp - 1'700'000'000) * 1e6;
  writeU32(&compound[24], readU32(&last[8]) << 16 | readU32(&last[12]) >> 16);
  writeU32(&compound[28], static_cast<uint32_t>(std::lround((sinceUs / 1e6 - rttMs / 1e3) * 65536)));
  bench.sendRtcp(compound);
}

/** Least and greatest delay of the next picture, ms. */
std::pair<unsigned, unsigned> delayOf(Bench& bench) {
  bench.sendVideo(1, false);
  bench.run(33'333);
  const uint32_t both = readU24(extensionElement(bench.video().back().view, 3).data());
  return {(both >> 12) * 10, (both & 0xfff) * 10};
}

using Delay = std::pair<unsigned, unsigned>;

void begin(Bench& bench) {
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(1, true);
  bench.run(600'000);
}

}  // namespace

TEST(
    "a viewer that loses more than 2 % holds its pictures back for a round trip, and no longer 15 s after "
    "the "
    "last loss") {
  Bench bench;
  begin(bench);
  Counts counts;
  report(bench, counts, 0, 50);
  EXPECT((delayOf(bench) == Delay{0, 0}));
  report(bench, counts, 4, 50);
  EXPECT((delayOf(bench) == Delay{0, 0}));
  report(bench, counts, 14, 50);
  EXPECT((delayOf(bench) == Delay{70, 70}));
  const int64_t lostUs = bench.nowUs;
  while (bench.nowUs < lostUs + 14'000'000) {
    bench.run(900'000);
    report(bench, counts, 0, 50);
    EXPECT((delayOf(bench) == Delay{70, 70}));
  }
  bench.run(3'000'000);
  report(bench, counts, 0, 50);
  EXPECT((delayOf(bench) == Delay{0, 0}));
}

TEST("packets that are late, or lost now and then, do not hold pictures back") {
  PlayoutDelay delay;
  Counts counts;
  int64_t nowUs = 0;
  delay.onReport(counts.after(0, 0), false, 50, nowUs);
  for (int i = 0; i < 100; i += 1) {
    // A report beside a NACK, of the few packets since the last; what it misses comes before the next report.
    delay.onReport(counts.after(20, 1), false, 50, nowUs += 80'000);
    EXPECT_EQ(delay.ms(), 0);
    delay.onReport(counts.after(230, static_cast<uint32_t>(-1)), false, 50, nowUs += 920'000);
    EXPECT_EQ(delay.ms(), 0);
    delay.onReport(counts.after(5, i % 2), false, 50, nowUs += 20'000);
    EXPECT_EQ(delay.ms(), 0);
  }
}

TEST("counts that no viewer can have hold pictures back as a total loss does, or not at all") {
  for (const ReportBlock& hostile : {
           ReportBlock{.packetsLost = 0x7fffff, .highestSequence = 0x80000000},
           ReportBlock{.packetsLost = 0x7fffff, .highestSequence = 0},
           ReportBlock{.packetsLost = -0x800000, .highestSequence = 0x7fffffff},
       }) {
    PlayoutDelay delay;
    delay.onReport(ReportBlock{}, false, 50, 0);
    delay.onReport(hostile, false, 50, 100'000);
    EXPECT_EQ(delay.ms(), 0);
  }
  PlayoutDelay delay;
  delay.onReport(ReportBlock{}, false, 50, 0);
  delay.onReport(ReportBlock{.packetsLost = 0x7fffff, .highestSequence = 100}, false, 50, 100'000);
  EXPECT_EQ(delay.ms(), 70);
}

TEST("a link that loses packets at random has its pictures held back, and one that is full has not") {
  for (uint32_t seed = 1; seed <= 10; seed += 1) {
    NetworkSimulator network(seed);
    const size_t link = network.addLink();
    SimulatedViewer& viewer = network.viewer(network.addViewer(link));
    viewer.encoder.maxBitrateBps = 4e6;
    viewer.reports = true;
    network.link(link).profile = {.rateBps = 6e6};
    network.run(5'000'000);
    // What does not fit is dropped until the estimate has followed.
    for (const double rateBps : {1e6, 6e6}) {
      network.link(link).profile.rateBps = rateBps;
      for (int i = 0; i < 200; i += 1) {
        network.run(50'000);
        EXPECT_EQ(viewer.playoutDelayMs, 0);
      }
    }
    network.link(link).profile = {.loss = 0.05};
    network.run(4'000'000);
    EXPECT(viewer.playoutDelayMs > 0);
    network.link(link).profile = {};
    network.run(20'000'000);
    EXPECT_EQ(viewer.playoutDelayMs, 0);
  }
}

TEST("after a change of the route that makes it longer for good, pictures are still held back") {
  NetworkSimulator network(3);
  const size_t link = network.addLink();
  SimulatedViewer& viewer = network.viewer(network.addViewer(link));
  viewer.encoder.maxBitrateBps = 4e6;
  viewer.reports = true;
  network.link(link).profile = {.rateBps = 20e6, .delayUs = 25'000, .loss = 0.05};
  network.run(8'000'000);
  EXPECT(viewer.playoutDelayMs > 0);
  network.link(link).profile.delayUs = 65'000;
  // For as long as the shorter delay is remembered, the longer one looks like a queue.
  network.run(20'000'000);
  for (int i = 0; i < 200; i += 1) {
    network.run(100'000);
    EXPECT(viewer.playoutDelayMs > 0);
  }
}

TEST("pictures that are sent again say the same of their delay") {
  Bench bench;
  begin(bench);
  Counts counts;
  report(bench, counts, 0, 50);
  report(bench, counts, 20, 50);
  delayOf(bench);
  bench.nack({bench.video().back().mediaSequenceNumber});
  bench.run(30'000);
  EXPECT_EQ(bench.video().back().view.ssrc, Bench::kRtxSsrc);
  EXPECT_EQ(readU24(extensionElement(bench.video().back().view, 3).data()), 7 << 12 | 7);
}

TEST("pictures are held back for 200 ms at most, and a little where the round trip is not known") {
  Bench bench;
  begin(bench);
  Counts counts;
  report(bench, counts, 0, 480);
  report(bench, counts, 20, 480);
  EXPECT((delayOf(bench) == Delay{200, 200}));
  PlayoutDelay delay;
  delay.onReport(counts.after(0, 0), false, -1, 0);
  delay.onReport(counts.after(200, 20), false, -1, 0);
  EXPECT_EQ(delay.ms(), 20);
}

TEST("a round trip that one report shows too long does not hold pictures back") {
  PlayoutDelay delay;
  Counts counts;
  int64_t nowUs = 0;
  delay.onReport(counts.after(0, 0), false, 50, nowUs);
  for (const double rttMs : {51.0, 52.0, 180.0, 49.0, 260.0}) {
    delay.onReport(counts.after(200, 20), false, rttMs, nowUs += 1'000'000);
    EXPECT_EQ(delay.ms(), 70);
  }
  // It has become longer, and later shorter for good.
  for (int i = 0; i < 4; i += 1) {
    delay.onReport(counts.after(200, 20), false, 130, nowUs += 1'000'000);
  }
  EXPECT_EQ(delay.ms(), 150);
  for (int i = 0; i < 20; i += 1) {
    delay.onReport(counts.after(200, 20), false, 50, nowUs += 1'000'000);
    EXPECT(delay.ms() == 150 || i >= 14);
  }
  EXPECT_EQ(delay.ms(), 70);
}

}  // namespace streamkit::test
