#pragma once

#include <sys/resource.h>

namespace streamkit {

/** Of niceness: nine times the share of a thread that asks for nothing. */
constexpr int kMediaUrgency = 10;

/**
 * Media of hundreds of viewers is not to wait while others join: the calling thread goes before others.
 * Without effect where the system does not permit it (CAP_SYS_NICE or RLIMIT_NICE) or knows no niceness of
 * threads.
 */
inline void preferThisThread() {
#ifdef __linux__
  setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - kMediaUrgency);
#endif
}

}  // namespace streamkit
