#pragma once

#include <cstdint>

namespace bench {

/** CLOCK_MONOTONIC, the clock of the server's capture times, µs. */
int64_t nowUs();

/** CLOCK_REALTIME, that of the kernel's time stamps of datagrams. */
int64_t realTimeUs();

/** CPU time of the calling thread. */
int64_t threadCpuUs();
int64_t threadCpuNs();

}  // namespace bench
