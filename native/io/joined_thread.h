#pragma once

#include <pthread.h>

namespace streamkit {

/** A thread that is waited for. Not std::thread: without exceptions it ends the process if the system gives
 * none.
 */
class JoinedThread {
 public:
  JoinedThread() = default;
  ~JoinedThread() { join(); }
  JoinedThread(const JoinedThread&) = delete;
  JoinedThread& operator=(const JoinedThread&) = delete;

  /** Calls `self->run()` on the thread. @returns errno of why there is none, or 0 */
  template <typename Self>
  int start(Self* self) {
    const int error = pthread_create(
        &thread_, nullptr,
        [](void* pointer) -> void* {
          static_cast<Self*>(pointer)->run();
          return nullptr;
        },
        self);
    running_ = error == 0;
    return error;
  }

  bool running() const { return running_; }

  /** Idempotent. */
  void join() {
    if (running_) {
      pthread_join(thread_, nullptr);
      running_ = false;
    }
  }

 private:
  pthread_t thread_{};
  bool running_ = false;
};

}  // namespace streamkit
