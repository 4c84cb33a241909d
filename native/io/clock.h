#pragma once

#include <time.h>

#include <cstdint>

namespace streamkit {

inline int64_t microseconds(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1000;
}

/** CLOCK_MONOTONIC: what process.hrtime() counts, and what frames are stamped with. */
inline int64_t monotonicUs() {
  return microseconds(CLOCK_MONOTONIC);
}

inline int64_t wallUs() {
  return microseconds(CLOCK_REALTIME);
}

inline int64_t threadCpuUs() {
  return microseconds(CLOCK_THREAD_CPUTIME_ID);
}

}  // namespace streamkit
