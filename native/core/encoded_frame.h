#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bytes.h"
#include "media_time.h"

namespace streamkit {

/** A payload with the longest header, RTX number and tag stays below an Ethernet frame. */
inline constexpr size_t kMaxPayloadBytes = 1380;

/**
 * One frame, split into RTP payloads. Copies share the bytes, from which all viewers of all threads are sent:
 * who builds the frame writes them before it hands the frame over, and nobody writes them after that.
 */
struct EncodedFrame {
  std::shared_ptr<uint8_t[]> bytes;
  /** Where each payload begins, and the end: one entry more than there are payloads. Checked by who builds
   * it. */
  std::vector<uint32_t> offsets;
  uint32_t rtpTimestamp = 0;
  int64_t captureTimeUs = 0;
  bool keyframe = false;
  /** No other frame refers to it. */
  bool discardable = false;
  uint8_t temporalId = 0;
  /** Count of it among its producer's frames, from 1: the same in all shards. Filled in by the core. */
  int64_t ordinal = 0;

  // Filled in by the history.
  NtpTime captureTime;
  int64_t sentAtUs = 0;
  int64_t number = 0;
  int64_t firstPacket = 0;
  /** Payload bytes of all frames before it. */
  uint64_t bytesBefore = 0;

  uint32_t payloadCount() const { return static_cast<uint32_t>(offsets.size() - 1); }
  uint64_t payloadBytes() const { return offsets.back() - offsets.front(); }
  Bytes payload(uint32_t index) const {
    return Bytes(bytes.get() + offsets[index], offsets[index + 1] - offsets[index]);
  }
};

}  // namespace streamkit
