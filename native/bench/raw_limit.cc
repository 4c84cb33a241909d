#include "raw_limit.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include "clock.h"
#include "raw_sender.h"

namespace bench {

RawLimitResult measureRawLimit(const RawLimitOptions& options) {
  const auto sender = RawSender::open(options.ports, options.packetsPerBurst, options.packetBytes);
  if (sender == nullptr)
    throw std::system_error(errno, std::generic_category(), "UDP_SEGMENT");
  RawLimitResult result;
  const int64_t startUs = nowUs();
  int64_t nextUs = startUs;
  const int64_t startCpuUs = threadCpuUs();
  while ((result.wallUs = nowUs() - startUs) < options.durationUs) {
    result.sendErrors += sender->sendRound(options.encrypt, options.send);
    result.packets += sender->packetsPerRound();
    nextUs = std::max(nextUs + options.intervalUs, nowUs());
    if (options.intervalUs > 0)
      std::this_thread::sleep_for(std::chrono::microseconds(nextUs - nowUs()));
  }
  result.cpuUs = threadCpuUs() - startCpuUs;
  return result;
}

}  // namespace bench
