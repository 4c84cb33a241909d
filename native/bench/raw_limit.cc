#include "raw_limit.h"

#include <cerrno>
#include <system_error>

#include "clock.h"
#include "raw_sender.h"

namespace bench {

RawLimitResult measureRawLimit(const RawLimitOptions& options) {
  const auto sender = RawSender::open(options.ports, options.packetsPerBurst, options.packetBytes);
  if (sender == nullptr)
    throw std::system_error(errno, std::generic_category(), "UDP_SEGMENT");
  RawLimitResult result;
  const int64_t startUs = nowUs();
  const int64_t startCpuUs = threadCpuUs();
  while ((result.wallUs = nowUs() - startUs) < options.durationUs) {
    result.sendErrors += sender->sendRound(options.encrypt, options.send);
    result.packets += sender->packetsPerRound();
  }
  result.cpuUs = threadCpuUs() - startCpuUs;
  return result;
}

}  // namespace bench
