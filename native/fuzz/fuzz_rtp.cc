#include "core/rtp_header.h"

using namespace streamkit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto packet = RtpPacketView::parse(Bytes(data, size));
  if (packet.has_value()) {
    // All that the view points to is there to be read.
    unsigned sum = 0;
    for (const Bytes part : {packet->extension, packet->payload}) {
      for (const uint8_t byte : part) {
        sum += byte;
      }
    }
    volatile unsigned used = sum;
    (void)used;
  }
  return 0;
}
