#pragma once

#include <algorithm>
#include <vector>

#include "core/media_frame_reader.h"

namespace streamkit::test {

/** Writes a frame of a media socket, well formed unless a field is set to something else. */
struct MediaFrameBuilder {
  uint8_t version = MediaFrameReader::kVersion;
  uint8_t slot = 0;
  uint8_t flags = 0;
  uint8_t temporalId = 0;
  uint32_t rtpTimestamp = 0;
  int64_t captureTimeUs = 1;
  uint64_t reserved = 0;
  std::vector<uint32_t> lengths;
  /** Added to the total length and to the number of payloads that the header says. */
  int32_t totalError = 0;
  int32_t countError = 0;

  /** The payload bytes count up, so that a byte in the wrong place shows. */
  std::vector<uint8_t> bytes() const {
    size_t payloadBytes = 0;
    for (const uint32_t length : lengths) {
      payloadBytes += length;
    }
    std::vector<uint8_t> out;
    const auto add = [&out](uint64_t value, size_t size) {
      for (size_t i = 0; i < size; i += 1) {
        out.push_back(static_cast<uint8_t>(value >> (8 * i)));
      }
    };
    const size_t total = MediaFrameReader::kHeaderBytes + 4 * lengths.size() + payloadBytes;
    add(total + static_cast<size_t>(totalError), 4);
    add(version, 1);
    add(slot, 1);
    add(flags, 1);
    add(temporalId, 1);
    add(rtpTimestamp, 4);
    add(lengths.size() + static_cast<size_t>(countError), 4);
    add(static_cast<uint64_t>(captureTimeUs), 8);
    add(reserved, 8);
    for (const uint32_t length : lengths) {
      add(length, 4);
    }
    for (size_t i = 0; i < std::min<size_t>(payloadBytes, MediaFrameReader::kMaxFrameBytes); i += 1) {
      out.push_back(static_cast<uint8_t>(i));
    }
    return out;
  }
};

inline std::vector<uint8_t> mediaFrame(uint8_t slot, bool keyframe, std::vector<uint32_t> lengths = {1000}) {
  MediaFrameBuilder frame;
  frame.slot = slot;
  frame.flags = keyframe ? 1 : 0;
  frame.lengths = std::move(lengths);
  return frame.bytes();
}

}  // namespace streamkit::test
