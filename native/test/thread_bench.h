#pragma once

#include <condition_variable>
#include <mutex>

#include "core/media_core.h"
#include "io/clock.h"
#include "io/event_queue.h"
#include "payload_frame.h"
#include "test.h"

namespace streamkit::test {

constexpr int64_t kPatienceUs = 30'000'000;

/** Lets a test wait for the thread's events. */
class Waiter {
 public:
  void wake() {
    const std::lock_guard lock(mutex_);
    awake_ = true;
    condition_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    EXPECT(condition_.wait_for(lock, std::chrono::microseconds(kPatienceUs), [this] { return awake_; }));
    awake_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool awake_ = false;
};

inline MediaCore::Options options() {
  return {wallUs() - monotonicUs(), 7};
}

inline SrtpParameters srtpParameters(uint8_t fill) {
  SrtpParameters srtp;
  srtp.local.key.fill(fill);
  srtp.remote.key.fill(static_cast<uint8_t>(fill + 1));
  return srtp;
}

inline EncodedFrame frameOf(uint32_t payloads, bool keyframe) {
  EncodedFrame frame = payloadFrame(payloads, 1000, keyframe);
  frame.captureTimeUs = monotonicUs();
  return frame;
}

/** Takes events until the first of its kind. */
inline void awaitEvent(EventQueue& events, Waiter& waiter, Event::Type type) {
  for (int attempts = 0; attempts < 20; attempts += 1) {
    waiter.wait();
    for (const Event& event : events.take()) {
      if (event.type == type) {
        return;
      }
    }
  }
  EXPECT(!"the event came");
}

}  // namespace streamkit::test
