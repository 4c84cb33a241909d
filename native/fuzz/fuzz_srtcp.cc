#include "core/srtcp_receiver.h"
#include "fuzz_plane.h"

using namespace streamkit;

/**
 * The input as SRTCP (which hardly ever is authentic), and the input as the compound that an authentic viewer
 * sends to a plane that is sending.
 */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes input(data, size);
  for (const SrtpProfile profile : {SrtpProfile::kAeadAes128Gcm, SrtpProfile::kAes128CmSha1_80}) {
    auto receiver = SrtcpReceiver::create(profile, {});
    std::vector<uint8_t> copy(input.begin(), input.end());
    (void)receiver->unprotect(copy);
  }
  fuzz::FuzzPlane plane(SrtpProfile::kAeadAes128Gcm);
  plane.receiveRtcp(input);
  plane.advance();
  plane.sendFrame(false);
  // The same while the viewer goes over to another producer, after that, and when the former one is gone.
  plane.switchTo(fuzz::FuzzPlane::kOther);
  plane.receiveRtcp(input);
  plane.sendFrame(true, fuzz::FuzzPlane::kOther);
  plane.receiveRtcp(input);
  plane.closeProducer(3);
  plane.receiveRtcp(input);
  plane.advance();
  return 0;
}
