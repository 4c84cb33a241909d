#pragma once

#include "core/encoded_frame.h"

namespace streamkit::test {

/** A frame of zeros in payloads of one size. */
inline EncodedFrame payloadFrame(uint32_t payloads, uint32_t bytesEach, bool keyframe = false) {
  EncodedFrame frame;
  frame.bytes = std::make_unique<uint8_t[]>(size_t{payloads} * bytesEach);
  for (uint32_t i = 0; i <= payloads; i += 1) {
    frame.offsets.push_back(i * bytesEach);
  }
  frame.keyframe = keyframe;
  return frame;
}

}  // namespace streamkit::test
