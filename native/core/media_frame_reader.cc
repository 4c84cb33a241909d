#include "media_frame_reader.h"

#include <algorithm>

namespace streamkit {
namespace {

constexpr uint8_t kKeyframeFlag = 1;
constexpr uint8_t kDiscardableFlag = 2;

}  // namespace

MutableBytes MediaFrameReader::space() {
  uint8_t* start = nullptr;
  switch (part_) {
    case Part::kHeader:
      start = header_.data();
      break;
    case Part::kLengths:
      // The lengths are read to where the ends of the payloads will be; the first offset is 0.
      start = reinterpret_cast<uint8_t*>(&frame_.offsets[1]);
      break;
    case Part::kPayloads:
      start = frame_.bytes.get();
      break;
  }
  return MutableBytes(start, expected_).subspan(filled_);
}

MediaFrameReader::Result MediaFrameReader::advance(size_t bytes) {
  filled_ += bytes;
  if (filled_ < expected_) {
    return Result::kIncomplete;
  }
  switch (part_) {
    case Part::kHeader:
      return endHeader();
    case Part::kLengths:
      return endLengths();
    case Part::kPayloads:
      break;
  }
  return Result::kFrame;
}

void MediaFrameReader::begin(Part part, size_t bytes) {
  part_ = part;
  filled_ = 0;
  expected_ = bytes;
}

MediaFrameReader::Result MediaFrameReader::endHeader() {
  const size_t total = readU32LittleEndian(&header_[0]);
  const uint32_t count = payloadCount();
  if (total > kMaxFrameBytes || count > kMaxPayloads) {
    return Result::kOversized;
  }
  const auto captureTimeUs = static_cast<int64_t>(readU64LittleEndian(&header_[16]));
  const bool isKnown = header_[4] == kVersion && slot() < MediaSocketStats::kSlots &&
                       (header_[6] & ~(kKeyframeFlag | kDiscardableFlag)) == 0 &&
                       header_[7] <= kMaxTemporalId && readU64LittleEndian(&header_[24]) == 0;
  const bool isTimed = captureTimeUs >= 0 && captureTimeUs <= kMaxCaptureTimeUs;
  const size_t lengthBytes = count * sizeof(uint32_t);
  if (!isKnown || !isTimed || count == 0 || total < kHeaderBytes + lengthBytes + count) {
    return Result::kMalformed;
  }
  frame_.keyframe = (header_[6] & kKeyframeFlag) != 0;
  frame_.discardable = (header_[6] & kDiscardableFlag) != 0;
  frame_.temporalId = header_[7];
  frame_.rtpTimestamp = readU32LittleEndian(&header_[8]);
  frame_.captureTimeUs = captureTimeUs;
  frame_.offsets.resize(count + 1);
  begin(Part::kLengths, lengthBytes);
  return Result::kIncomplete;
}

MediaFrameReader::Result MediaFrameReader::endLengths() {
  const size_t expected = readU32LittleEndian(&header_[0]) - kHeaderBytes - payloadCount() * sizeof(uint32_t);
  auto& offsets = frame_.offsets;
  offsets[0] = 0;
  for (size_t i = 1; i < offsets.size(); i += 1) {
    const uint32_t length = readU32LittleEndian(reinterpret_cast<const uint8_t*>(&offsets[i]));
    if (length > kMaxPayloadBytes) {
      return Result::kOversized;
    }
    if (length == 0) {
      return Result::kMalformed;
    }
    // At most kMaxPayloads * kMaxPayloadBytes, which is far below 2^32.
    offsets[i] = offsets[i - 1] + length;
  }
  if (offsets.back() != expected) {
    return Result::kMalformed;
  }
  // Not zeroed: all of it is read before anybody looks at it.
  frame_.bytes.reset(new uint8_t[expected]);
  begin(Part::kPayloads, expected);
  return Result::kIncomplete;
}

EncodedFrame MediaFrameReader::take() {
  EncodedFrame taken = std::move(frame_);
  frame_ = {};
  begin(Part::kHeader, kHeaderBytes);
  return taken;
}

}  // namespace streamkit
