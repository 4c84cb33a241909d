#include "core/rtp_header.h"
#include "core/srtp_receiver.h"

using namespace streamkit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto packet = RtpPacketView::parse(Bytes(data, size));
  if (packet.has_value()) {
    unsigned sum = 0;
    for (uint8_t id = 0; id < 16; id += 1) {
      for (const uint8_t byte : packet->extensionElement(id)) {
        sum += byte;
      }
    }
    volatile unsigned used = sum;
    (void)used;
  }
  static auto receiver = SrtpReceiver::create(SrtpProfile::kAes128CmSha1_80, {});
  std::vector<uint8_t> copy(data, data + size);
  (void)receiver->unprotect(copy);
  return 0;
}
