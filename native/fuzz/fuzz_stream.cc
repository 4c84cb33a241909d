#include <algorithm>

#include "core/stream_deframer.h"

using namespace streamkit;

/** The first byte says in which pieces the rest of the stream arrives. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const size_t piece = size_t{data[0]} + 1;
  std::vector<uint8_t> stream(data + 1, data + size);
  StreamDeframer deframer(2048);
  size_t bytes = 0;
  MutableBytes rest(stream);
  while (!rest.empty()) {
    const MutableBytes next = rest.first(std::min(piece, rest.size()));
    rest = rest.subspan(next.size());
    const bool goesOn = deframer.read(next, [&](MutableBytes packet) {
      if (packet.empty() || packet.size() > 2048) {
        __builtin_trap();
      }
      // It may be written to.
      packet.front() ^= packet.back();
      bytes += packet.size() + StreamDeframer::kHeaderBytes;
      return true;
    });
    if (!goesOn) {
      break;
    }
  }
  if (bytes > stream.size()) {
    __builtin_trap();
  }
  return 0;
}
