#include "clock.h"

#include <ctime>

namespace bench {

namespace {

int64_t readNs(clockid_t id) {
  timespec time{};
  clock_gettime(id, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

int64_t nowUs() {
  return readNs(CLOCK_MONOTONIC) / 1000;
}

int64_t realTimeUs() {
  return readNs(CLOCK_REALTIME) / 1000;
}

int64_t threadCpuUs() {
  return threadCpuNs() / 1000;
}

int64_t threadCpuNs() {
  return readNs(CLOCK_THREAD_CPUTIME_ID);
}

}  // namespace bench
