#include "io/command_queue.h"

#include <poll.h>

#include "payload_frame.h"
#include "test.h"

namespace streamkit::test {
namespace {

/** Counts the frames that reach it, and those before which others were lost. */
struct FrameCount {
  void sendFrame(uint32_t /*producer*/, EncodedFrame /*frame*/, bool gapBefore, int64_t /*nowUs*/) {
    frames += 1;
    gaps += gapBefore ? 1 : 0;
  }
  void closeProducer(uint32_t /*producer*/, int64_t /*nowUs*/) {}

  size_t frames = 0;
  size_t gaps = 0;
};

bool isWoken(Wakeup& wakeup) {
  pollfd fd{wakeup.fd(), POLLIN, 0};
  return poll(&fd, 1, 0) == 1;
}

}  // namespace

TEST("a thread that nothing urgent waits for is woken when its queue is full of large frames") {
  CommandQueue<FrameCount> queue;
  constexpr uint32_t kPayloads = 4096;
  constexpr uint32_t kBytesEach = 1024;
  constexpr size_t kFrames = CommandQueue<FrameCount>::kMaxFrameBytes / (kPayloads * kBytesEach);
  static_assert(kFrames < CommandQueue<FrameCount>::kMaxIdle);
  for (size_t i = 0; i < kFrames; i += 1) {
    queue.pushFrame(1, payloadFrame(kPayloads, kBytesEach), false, false);
  }
  EXPECT(!isWoken(queue.wakeup()));
  queue.pushFrame(1, payloadFrame(kPayloads, kBytesEach), false, false);
  EXPECT(isWoken(queue.wakeup()));
  FrameCount count;
  EXPECT(queue.run(count));
  EXPECT_EQ(count.frames, kFrames);
  queue.pushFrame(1, payloadFrame(1, kBytesEach), false, false);
  EXPECT(queue.run(count));
  EXPECT_EQ(count.frames, kFrames + 1);
  EXPECT_EQ(count.gaps, 1);
}

}  // namespace streamkit::test
