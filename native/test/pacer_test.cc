#include "core/pacer.h"

#include "core/keyframe_request_policy.h"
#include "core/pump_schedule.h"
#include "test.h"

namespace streamkit::test {

TEST("bursts leave at 2.5 times the target bitrate") {
  Pacer pacer(4e6);
  constexpr size_t kBurstBytes = 16 * 1200;
  int64_t nowUs = 1'000'000;
  size_t bytes = 0;
  while (nowUs < 2'000'000) {
    if (pacer.mayBurst(nowUs)) {
      pacer.sent(kBurstBytes, nowUs);
      bytes += kBurstBytes;
    }
    const int64_t dueUs = pacer.dueUs(nowUs);
    EXPECT(dueUs > nowUs && dueUs <= nowUs + 17'000 && dueUs % Pacer::kGridUs == 0);
    nowUs = dueUs;
  }
  const double rate = static_cast<double>(bytes) * 8;
  EXPECT(rate > 0.9 * 10e6 && rate < 1.03 * 10e6);
}

TEST("an ordinary frame waits for no small rest, and a burst does") {
  Pacer pacer(4e6);
  EXPECT(pacer.mayBurst(0) && pacer.mayRush(0));
  pacer.sent(10'000, 0);
  EXPECT(!pacer.mayBurst(0) && pacer.mayRush(0));
  pacer.sent(100'000, 0);
  EXPECT(!pacer.mayRush(0));
  EXPECT(pacer.mayBurst(88'001));
}

TEST("a clock that steps back holds nothing up for long") {
  Pacer pacer(4e6);
  pacer.sent(12'500, 1'000'000);
  EXPECT(!pacer.mayBurst(900'000));
  EXPECT(pacer.mayBurst(1'010'001));
}

TEST("keyframe requests are coalesced, and the last one is not lost") {
  KeyframeRequestPolicy policy(300);
  EXPECT(policy.request(1000));
  EXPECT(!policy.request(1100));
  EXPECT(!policy.request(1200));
  EXPECT_EQ(policy.dueUs().value_or(0), 1300);
  EXPECT(policy.request(1300));
  EXPECT(!policy.dueUs().has_value());
  EXPECT(!policy.request(1301));
  policy.keyframePassed(5);
  EXPECT(!policy.dueUs().has_value());
  // Another shard sends the same keyframe later: the request has come after it.
  EXPECT(!policy.request(1302));
  policy.keyframePassed(5);
  EXPECT_EQ(policy.dueUs().value_or(0), 1600);
  policy.keyframePassed(6);
  EXPECT(!policy.dueUs().has_value());
  EXPECT(!policy.request(1599));
  EXPECT_EQ(policy.dueUs().value_or(0), 1600);
}

TEST(
    "while frames are dropped for lack of time keyframes are asked for ever more seldom, and then as "
    "before") {
  constexpr int64_t kSecondUs = 1'000'000;
  KeyframeRequestPolicy policy(300'000);
  int64_t nowUs = 10 * kSecondUs;
  const auto intervalUs = [&] {
    const int64_t startUs = nowUs;
    while (!policy.request(nowUs)) {
      nowUs = *policy.dueUs();
    }
    return nowUs - startUs;
  };
  EXPECT_EQ(intervalUs(), 0);
  EXPECT_EQ(intervalUs(), 300'000);
  policy.congestion(nowUs);
  EXPECT(policy.congested(nowUs));
  intervalUs();
  EXPECT_EQ(intervalUs(), kSecondUs);
  policy.congestion(nowUs);
  intervalUs();
  EXPECT_EQ(intervalUs(), 2 * kSecondUs);
  EXPECT(!policy.congested(nowUs));
  for (int i = 0; i < 4; i += 1) {
    EXPECT_EQ(intervalUs(), 2 * kSecondUs);
  }
  EXPECT_EQ(intervalUs(), 300'000);
}

TEST("the schedule gives each viewer once, at the earlier of its times") {
  struct Viewer final : PumpSchedule::Entry {};
  PumpSchedule schedule;
  Viewer first;
  Viewer second;
  Viewer third;
  schedule.now(first, 0);
  schedule.now(first, 0);
  schedule.at(first, 5);
  schedule.at(second, 10);
  schedule.at(second, 20);
  schedule.at(third, 30);
  schedule.at(third, 15);
  EXPECT(schedule.take() == &first);
  EXPECT(schedule.take() == nullptr);
  schedule.forget(second);
  schedule.advance(14);
  EXPECT(schedule.take() == nullptr);
  EXPECT_EQ(schedule.nextDueUs().value_or(0), 15);
  schedule.advance(100);
  EXPECT(schedule.take() == &third);
  EXPECT(schedule.take() == nullptr);
  EXPECT(!schedule.nextDueUs().has_value());
  // Served before its time: nothing is due then.
  schedule.at(first, 200);
  schedule.now(first, 0);
  EXPECT(schedule.take() == &first);
  EXPECT(!schedule.nextDueUs().has_value());
  schedule.now(second, 0);
  schedule.forget(second);
  EXPECT(!schedule.anyReady());
}

}  // namespace streamkit::test
