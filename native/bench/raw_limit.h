#pragma once

#include <cstdint>
#include <vector>

namespace bench {

struct RawLimitOptions {
  /** Ports of sinks on 127.0.0.1, used in turn. */
  std::vector<uint16_t> ports;
  uint32_t packetsPerBurst = 16;
  uint32_t packetBytes = 1200;
  int64_t durationUs = 2'000'000;
  bool encrypt = true;
  bool send = true;
  /** From one round over all sinks to the next; 0: at once. */
  int64_t intervalUs = 0;
};

struct RawLimitResult {
  uint64_t packets = 0;
  uint64_t sendErrors = 0;
  int64_t wallUs = 0;
  int64_t cpuUs = 0;
};

/**
 * What a packet costs RawSender. Blocks.
 * @throws std::system_error
 */
RawLimitResult measureRawLimit(const RawLimitOptions& options);

}  // namespace bench
