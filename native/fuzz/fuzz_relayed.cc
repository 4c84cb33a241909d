#include <vector>

#include "core/relayed_data.h"

using namespace streamkit;

/** What a TURN server sends. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto check = [](MutableBytes relayed, MutableBytes datagram) {
    if (relayed.size() > datagram.size()) {
      __builtin_trap();
    }
    // It may be written to.
    for (uint8_t& byte : relayed) {
      byte ^= 1;
    }
  };
  std::vector<uint8_t> datagram(data, data + size);
  if (const auto relayed = ChannelData::parse(datagram)) {
    check(relayed->data, datagram);
  }
  if (const auto relayed = DataIndication::parse(datagram)) {
    check(relayed->data, datagram);
    (void)relayed->peer.text();
  }
  return 0;
}
