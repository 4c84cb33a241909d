#include "core/media_ingress.h"

#include <cstring>

#include "media_frame_builder.h"
#include "test.h"
#include "virtual_network.h"

namespace streamkit::test {
namespace {

/** A session process whose bytes reach a core at once. */
struct IngressBench : Bench {
  std::optional<MediaFault> write(Bytes bytes) {
    while (!bytes.empty()) {
      const MutableBytes space = ingress.space();
      const size_t size = std::min(space.size(), bytes.size());
      std::memcpy(space.data(), bytes.data(), size);
      bytes = bytes.subspan(size);
      if (const auto fault = ingress.advance(size, core, nowUs)) {
        return fault;
      }
    }
    return std::nullopt;
  }
  const MediaSlotStats& of(size_t slot) const { return stats->slots[slot]; }

  std::shared_ptr<MediaSocketStats> stats = std::make_shared<MediaSocketStats>();
  MediaIngress ingress{stats};
};

constexpr uint32_t kOther = 77;

}  // namespace

TEST("a frame of a bound slot reaches the viewer, and is counted") {
  IngressBench bench;
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.ingress.bind(3, Bench::kVideo);
  EXPECT(!bench.write(mediaFrame(3, true, {1000, 1000, 500})).has_value());
  const int64_t arrivedUs = bench.nowUs;
  bench.run(100'000);
  EXPECT_EQ(bench.video().size(), 3);
  EXPECT(bench.video().back().view.marker);
  EXPECT_EQ(bench.video().back().view.payload.size(), 500);
  EXPECT_EQ(bench.of(3).frames, 1);
  EXPECT_EQ(bench.of(3).keyframes, 1);
  EXPECT_EQ(bench.of(3).bytes, 2500);
  EXPECT_EQ(bench.of(3).dropped, 0);
  EXPECT_EQ(bench.of(3).lastFrameUs, arrivedUs);
  EXPECT_EQ(bench.of(2).lastFrameUs, 0);
}

TEST(
    "frames without a producer are dropped: of a slot that is not bound, or no more, or whose producer is "
    "closed") {
  IngressBench bench;
  bench.createVideo();
  (void)bench.write(mediaFrame(0, true));
  EXPECT_EQ(bench.of(0).dropped, 1);
  EXPECT_EQ(bench.of(0).lastFrameUs, bench.nowUs);
  bench.ingress.bind(0, Bench::kVideo);
  (void)bench.write(mediaFrame(0, true));
  bench.ingress.unbind(0);
  (void)bench.write(mediaFrame(0, false));
  EXPECT_EQ(bench.of(0).frames, 1);
  EXPECT_EQ(bench.of(0).dropped, 2);
  bench.ingress.bind(0, Bench::kVideo);
  bench.core.closeProducer(Bench::kVideo, bench.nowUs);
  (void)bench.write(mediaFrame(0, true));
  EXPECT_EQ(bench.of(0).dropped, 3);
}

TEST("a slot that is bound to another producer begins there with a keyframe, which is asked for") {
  IngressBench bench;
  bench.createVideo();
  bench.core.createProducer(kOther, {});
  bench.ingress.bind(0, Bench::kVideo);
  (void)bench.write(mediaFrame(0, true));
  (void)bench.write(mediaFrame(0, false));
  // The same again changes nothing.
  bench.ingress.bind(0, Bench::kVideo);
  (void)bench.write(mediaFrame(0, false));
  EXPECT_EQ(bench.of(0).frames, 3);
  bench.ingress.bind(0, kOther);
  (void)bench.write(mediaFrame(0, false));
  (void)bench.write(mediaFrame(0, false));
  EXPECT_EQ(bench.of(0).dropped, 2);
  EXPECT_EQ(bench.events.keyframesWanted[kOther], 1);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], 0);
  (void)bench.write(mediaFrame(0, true));
  (void)bench.write(mediaFrame(0, false));
  EXPECT_EQ(bench.of(0).frames, 5);
  EXPECT_EQ(bench.of(0).dropped, 2);
}

TEST("a source whose pictures are replayed is asked for a keyframe when there are too many since the last") {
  const auto framesUntilAsked = [](const std::vector<uint8_t>& frame, double bitrateBps) {
    IngressBench bench;
    bench.connect();
    bench.createVideo(true);
    bench.core.setProducerBitrate(Bench::kVideo, bitrateBps);
    bench.ingress.bind(0, Bench::kVideo);
    (void)bench.write(mediaFrame(0, true, {1}));
    bench.consumeVideo();
    int frames = 1;
    for (; frames < 200 && bench.events.keyframesWanted[Bench::kVideo] == 0; frames += 1) {
      (void)bench.write(frame);
      bench.run(10'000);
    }
    return frames;
  };
  EXPECT_EQ(framesUntilAsked(mediaFrame(0, false, {1}), 1e6), 90);
  // 1.2 s of 1 Mbit/s are 150 kB.
  EXPECT_EQ(framesUntilAsked(mediaFrame(0, false, std::vector<uint32_t>(10, 1000)), 1e6), 16);
}

TEST("faults of the stream are told as what they are") {
  EXPECT(IngressBench().write(mediaFrame(MediaSocketStats::kSlots, true)) == MediaFault::kMalformed);
  EXPECT(IngressBench().write(mediaFrame(0, true, {1381})) == MediaFault::kOversized);
}

TEST("too many frames are a flood, and as many as are allowed are none for ever") {
  IngressBench bench;
  const auto frame = mediaFrame(0, true, {1});
  constexpr int64_t kIntervalUs = 500;
  for (int i = 0; i < 20'000; i += 1) {
    EXPECT(!bench.write(frame).has_value());
    bench.nowUs += kIntervalUs;
  }
  bench.nowUs += 10'000'000;
  int frames = 0;
  while (bench.write(frame) != MediaFault::kFlooded && frames < 10'000) {
    frames += 1;
  }
  EXPECT_EQ(frames, MediaIngress::kMaxFramesPerSecond);
}

TEST("too many bytes are a flood, also of a frame that is not complete") {
  IngressBench bench;
  const auto frame = mediaFrame(0, true, std::vector<uint32_t>(3000, 1380));
  int frames = 0;
  while (bench.write(frame) != MediaFault::kFlooded && frames < 100) {
    frames += 1;
  }
  EXPECT_EQ(frames, 16);
}

}  // namespace streamkit::test
