#include "test.h"
#include "virtual_network.h"

namespace streamkit::test {
namespace {

/** Lets a viewer have a keyframe, then no time for ten frames. @returns the keyframes wanted before those */
int leaveOut(Bench& bench) {
  bench.connect();
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(2, true);
  bench.run(400'000);
  bench.video().clear();
  const int before = bench.events.keyframesWanted[Bench::kVideo];
  // Nobody sends: the thread is busy with others.
  for (int i = 0; i < 10; i += 1) {
    bench.sendVideo(2, false);
    bench.nowUs += 33'333;
  }
  return before;
}

}  // namespace

TEST(
    "a viewer that the thread has no time for is left out, asks for no keyframe meanwhile, and comes back "
    "with one") {
  Bench bench;
  const int before = leaveOut(bench);
  EXPECT_EQ(bench.videoStats().framesDropped, 10);
  bench.sendVideo(2, true);
  bench.run(100'000);
  EXPECT_EQ(bench.video().size(), 0);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], before);
  for (int i = 0; i < 60; i += 1) {
    bench.sendVideo(2, false);
    bench.run(33'333);
  }
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], before + 1);
  bench.sendVideo(2, true);
  bench.run(50'000);
  EXPECT_EQ(bench.video().size(), 2);
  EXPECT_EQ(bench.videoStats().framesDropped, 71);
}

TEST("who was left out gets a keyframe also when no frame comes any more") {
  Bench bench;
  const int before = leaveOut(bench);
  bench.run(1'500'000);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], before);
  // A keyframe while there is no time yet does not let it in, and is not the last word.
  bench.sendVideo(2, true);
  bench.run(1'500'000);
  EXPECT_EQ(bench.video().size(), 0);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], before + 1);
  bench.sendVideo(2, true);
  bench.run(50'000);
  EXPECT_EQ(bench.video().size(), 2);
  bench.run(5'000'000);
  EXPECT_EQ(bench.events.keyframesWanted[Bench::kVideo], before + 1);
}

}  // namespace streamkit::test
