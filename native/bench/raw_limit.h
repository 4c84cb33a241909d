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
};

struct RawLimitResult {
  uint64_t packets = 0;
  uint64_t sendErrors = 0;
  int64_t wallUs = 0;
  int64_t cpuUs = 0;
};

/**
 * The least that a packet can cost here: encrypt with AES-128-GCM under the destination's key, and send the
 * burst in one call with UDP_SEGMENT. No headers, no pacing, no bookkeeping. Blocks.
 * @throws std::system_error
 */
RawLimitResult measureRawLimit(const RawLimitOptions& options);

}  // namespace bench
