#pragma once

#include <array>

#include "encoded_frame.h"
#include "stats.h"

namespace streamkit {

/**
 * Parses the byte stream of a media socket: encoded frames that a session process has split into RTP
 * payloads. src/render/packetize/media-frame-writer.ts writes it. The stream comes from a process that a page
 * may have taken over, so each field is checked before it is used, and a frame's memory is allocated when its
 * lengths add up.
 *
 * A frame, all little endian: total length with this header (u32), version 1 (u8), slot (u8), flags (u8: bit
 * 0 keyframe, bit 1 discardable), temporal id (u8), RTP timestamp (u32), number of payloads (u32), capture
 * time in CLOCK_MONOTONIC µs (i64), eight zero bytes; then the length of each payload (u32); then the
 * payloads.
 */
class MediaFrameReader {
 public:
  static constexpr size_t kHeaderBytes = 32;
  static constexpr size_t kMaxFrameBytes = 4 * 1024 * 1024;
  static constexpr uint32_t kMaxPayloads = 8192;
  static constexpr uint8_t kVersion = 1;
  static constexpr uint8_t kMaxTemporalId = 7;
  /** The largest integer that JavaScript counts exactly. */
  static constexpr int64_t kMaxCaptureTimeUs = (int64_t{1} << 53) - 1;

  /** `kMalformed` and `kOversized` are final: nothing after them can be read. */
  enum class Result { kIncomplete, kFrame, kMalformed, kOversized };

  /** Where the next bytes of the stream go; never beyond the end of the frame that is being read. */
  MutableBytes space();
  /** @param bytes how many were written to the beginning of `space()` */
  [[nodiscard]] Result advance(size_t bytes);

  /** The slot that the complete frame is for. */
  uint8_t slot() const { return header_[5]; }
  /** The complete frame; its bytes are those that were read into `space()`. */
  EncodedFrame take();

 private:
  enum class Part { kHeader, kLengths, kPayloads };

  Result endHeader();
  Result endLengths();
  uint32_t payloadCount() const { return readU32LittleEndian(&header_[12]); }
  void begin(Part part, size_t bytes);

  Part part_ = Part::kHeader;
  size_t filled_ = 0;
  size_t expected_ = kHeaderBytes;
  std::array<uint8_t, kHeaderBytes> header_{};
  EncodedFrame frame_;
};

}  // namespace streamkit
