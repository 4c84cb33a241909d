#include "core/frame_history.h"

#include "payload_frame.h"
#include "test.h"

namespace streamkit::test {
TEST("packets are found by their count for as long as the history lasts") {
  FrameHistory history(1'000'000, false);
  for (int64_t i = 0; i < 60; i += 1) {
    history.push(payloadFrame(3, 100), i * 16'667);
  }
  const auto packet = history.packet(100, 60 * 16'667);
  EXPECT(packet.has_value() && packet->frame->number == 33 && packet->index == 1);
  EXPECT(!history.packet(180, 60 * 16'667).has_value());
  EXPECT(!history.packet(-1, 60 * 16'667).has_value());
  EXPECT(!history.packet(5, 2'000'000).has_value());
  EXPECT_EQ(history.nextFrame(), 60);
}

TEST("the history is bounded in bytes and in frames") {
  FrameHistory history(INT64_MAX / 2, true);
  history.push(payloadFrame(1, 100, true), 0);
  for (int i = 0; i < 400; i += 1) {
    history.push(payloadFrame(100, 1000), i);
  }
  EXPECT(history.storedBytes() <= FrameHistory::kMaxBytes);
  EXPECT(history.lastKeyframe() == nullptr);
  for (int i = 0; i < 10'000; i += 1) {
    history.push(payloadFrame(1, 1), i);
  }
  EXPECT(history.frame(history.nextFrame() - static_cast<int64_t>(FrameHistory::kMaxFrames)) != nullptr);
  EXPECT(history.frame(history.nextFrame() - static_cast<int64_t>(FrameHistory::kMaxFrames) - 1) == nullptr);
}

TEST("with replay the frames since the last keyframe outlive the history") {
  FrameHistory history(1000, true);
  history.push(payloadFrame(2, 100), 0);
  history.push(payloadFrame(2, 100, true), 1);
  history.push(payloadFrame(2, 100), 1'000'000);
  EXPECT(history.lastKeyframe() != nullptr && history.lastKeyframe()->number == 1);
  EXPECT(history.frame(0) == nullptr);
  history.push(payloadFrame(2, 100, true), 2'000'000);
  EXPECT(history.frame(1) == nullptr);
}

}  // namespace streamkit::test
