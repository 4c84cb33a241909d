#include "io/event_queue.h"

#include "test.h"

namespace streamkit::test {

TEST("events that nobody takes are bounded, and neither a keyframe request nor a consent that was lost is") {
  int wakes = 0;
  EventQueue events([&] { wakes += 1; });
  const auto data = fromHex("16fe");
  for (uint32_t i = 0; i < EventQueue::kMaxEvents + 10; i += 1) {
    events.onPacket(i, 0, *SocketAddress::fromText("127.0.0.1", 9), data);
  }
  events.onConsentLost(7);
  events.onKeyframeWanted(3);
  events.onKeyframeWanted(3);
  EXPECT_EQ(events.dropped(), 10);
  EXPECT_EQ(wakes, 1);
  const auto taken = events.take();
  EXPECT_EQ(taken.size(), EventQueue::kMaxEvents + 2);
  EXPECT(taken[EventQueue::kMaxEvents].type == Event::Type::kConsentLost);
  EXPECT(taken.back().type == Event::Type::kKeyframe);
  events.onKeyframeWanted(3);
  EXPECT_EQ(wakes, 2);
}

TEST("the events of one viewer leave room for those of the others") {
  EventQueue events([] {});
  const auto data = fromHex("16fe");
  const auto packets = [&](uint32_t endpoint, size_t count) {
    for (size_t i = 0; i < count; i += 1) {
      events.onPacket(endpoint, 0, *SocketAddress::fromText("127.0.0.1", 9), data);
    }
  };
  packets(1, EventQueue::kMaxEvents);
  packets(2, 1);
  EXPECT_EQ(events.dropped(), EventQueue::kMaxEvents - EventQueue::kMaxEventsOfOne);
  auto taken = events.take();
  EXPECT(taken.size() == EventQueue::kMaxEventsOfOne + 1 && taken.back().id == 2);
  packets(1, 1);
  EXPECT_EQ(events.take().size(), 1);
}

}  // namespace streamkit::test
