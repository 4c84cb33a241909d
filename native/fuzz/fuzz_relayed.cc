#include <algorithm>
#include <vector>

#include "core/turn_deframer.h"

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
  // In a stream, in pieces as its first byte says.
  const size_t piece = size > 0 ? size_t{data[0]} + 1 : 1;
  std::vector<uint8_t> stream(data, data + size);
  TurnDeframer deframer;
  size_t found = 0;
  bool goesOn = true;
  for (size_t at = 0; goesOn && at < size; at += piece) {
    goesOn = deframer.read(MutableBytes(stream).subspan(at, std::min(piece, size - at)),
                           [&](MutableBytes message) { found += message.size(); });
  }
  if (found > size) {
    __builtin_trap();
  }
  return 0;
}
