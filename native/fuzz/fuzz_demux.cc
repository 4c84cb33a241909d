#include "fuzz_plane.h"

using namespace streamkit;

/** A run of datagrams, each after two bytes that say how long it is, from the viewer's address and from a
 * stranger's. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::FuzzPlane plane(SrtpProfile::kAes128CmSha1_80);
  const SocketAddress stranger = *SocketAddress::fromText("10.9.9.9", 9);
  size_t at = 0;
  while (size - at >= 2) {
    const size_t length = std::min<size_t>(readU16(data + at) & 0x7ff, size - at - 2);
    const bool fromStranger = (data[at] & 0x80) != 0;
    std::vector<uint8_t> datagram(data + at + 2, data + at + 2 + length);
    plane.core.receive(0, fromStranger ? stranger : plane.address, datagram, plane.nowUs);
    plane.advance();
    at += 2 + length;
  }
  plane.sendFrame(false);
  return 0;
}
