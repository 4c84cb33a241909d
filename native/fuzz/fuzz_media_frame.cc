#include <algorithm>
#include <cstring>

#include "core/media_frame_reader.h"

using namespace streamkit;

/** The first byte says in which pieces the rest of the stream arrives. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const size_t piece = size_t{data[0]} + 1;
  Bytes stream(data + 1, size - 1);
  MediaFrameReader reader;
  uint64_t sum = 0;
  while (!stream.empty()) {
    const MutableBytes space = reader.space();
    if (space.empty()) {
      __builtin_trap();
    }
    const size_t bytes = std::min({space.size(), piece, stream.size()});
    std::memcpy(space.data(), stream.data(), bytes);
    stream = stream.subspan(bytes);
    switch (reader.advance(bytes)) {
      case MediaFrameReader::Result::kIncomplete:
        break;
      case MediaFrameReader::Result::kMalformed:
      case MediaFrameReader::Result::kOversized:
        return 0;
      case MediaFrameReader::Result::kFrame: {
        if (reader.slot() >= MediaSocketStats::kSlots) {
          __builtin_trap();
        }
        const EncodedFrame frame = reader.take();
        for (uint32_t i = 0; i < frame.payloadCount(); i += 1) {
          const Bytes payload = frame.payload(i);
          if (payload.empty() || payload.size() > kMaxPayloadBytes) {
            __builtin_trap();
          }
          sum += payload.front() + payload.back();
        }
        break;
      }
    }
  }
  volatile uint64_t used = sum;
  (void)used;
  return 0;
}
