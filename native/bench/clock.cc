#include "clock.h"

#include <ctime>

namespace bench {

namespace {

int64_t read(clockid_t id) {
  timespec time{};
  clock_gettime(id, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1000;
}

}  // namespace

int64_t nowUs() {
  return read(CLOCK_MONOTONIC);
}

int64_t threadCpuUs() {
  return read(CLOCK_THREAD_CPUTIME_ID);
}

}  // namespace bench
