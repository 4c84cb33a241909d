#include "joined_sound.h"

#include <algorithm>
#include <cstdlib>

namespace streamkit {
namespace {

/** RFC 6716 section 3.1: the lower two bits say how many frames follow. */
constexpr uint8_t kCountMask = 0x03;
constexpr uint8_t kOneFrame = 0;
constexpr uint8_t kAnyFrames = 3;
/** RFC 6716 section 3.2.5: the frames have lengths of their own. */
constexpr uint8_t kOwnLengths = 0x80;
/** RFC 6716 section 3.2.1: from here on a length takes two bytes. */
constexpr size_t kTwoByteLength = 252;
/** RFC 6716 section 3.2.5. */
constexpr uint32_t kMaxMs = 120;
constexpr uint32_t kSamplesPerMs = 48;
/** Times follow the clock of the source, and not the samples. */
constexpr uint32_t kToleranceShare = 8;

/** Of a frame with that first byte, at 48 kHz (RFC 6716 section 3.1). */
uint32_t samplesOf(uint8_t first) {
  const uint32_t config = first >> 3;
  constexpr std::array<uint32_t, 4> kSilk{480, 960, 1920, 2880};
  if (config < 12) {
    return kSilk[config & 3];
  }
  return config < 16 ? 480u << (config & 1) : 120u << (config & 3);
}

bool isOneFrame(const EncodedFrame& frame) {
  return frame.payloadCount() == 1 && frame.payloadBytes() > 0 &&
         (frame.payload(0)[0] & kCountMask) == kOneFrame;
}

bool follows(const EncodedFrame& frame, const EncodedFrame& next, uint32_t samples) {
  const auto early = static_cast<int32_t>(frame.rtpTimestamp + samples - next.rtpTimestamp);
  return isOneFrame(next) && next.payload(0)[0] == frame.payload(0)[0] &&
         static_cast<uint32_t>(std::abs(int64_t{early})) <= samples / kToleranceShare;
}

uint8_t* writeLength(size_t bytes, uint8_t* at) {
  if (bytes < kTwoByteLength) {
    *at++ = static_cast<uint8_t>(bytes);
    return at;
  }
  const size_t first = kTwoByteLength + bytes % 4;
  *at++ = static_cast<uint8_t>(first);
  *at++ = static_cast<uint8_t>((bytes - first) / 4);
  return at;
}

}  // namespace

size_t JoinedSound::join(const FrameHistory& history, int64_t number, unsigned maxMs) {
  if (number != number_ || history.nextFrame() != nextFrame_ || maxMs != maxMs_) {
    number_ = number;
    nextFrame_ = history.nextFrame();
    maxMs_ = maxMs;
    count_ = countFrom(history, number, maxMs);
    if (count_ > 1) {
      write(history, number, count_);
    }
  }
  return count_;
}

size_t JoinedSound::countFrom(const FrameHistory& history, int64_t number, unsigned maxMs) const {
  const EncodedFrame* last = history.frame(number);
  if (!isOneFrame(*last)) {
    return 1;
  }
  const uint32_t samples = samplesOf(last->payload(0)[0]);
  const uint32_t maxSamples = (maxMs == 0 ? kMaxMs : std::min(maxMs, kMaxMs)) * kSamplesPerMs;
  // The first byte, the count, and each frame with its length instead of its first byte.
  size_t bytes = 2 + last->payloadBytes() + 1;
  size_t count = 1;
  while (count < kMaxFrames && (count + 1) * samples <= maxSamples) {
    const EncodedFrame* const next = history.frame(number + static_cast<int64_t>(count));
    if (next == nullptr || !follows(*last, *next, samples)) {
      break;
    }
    bytes += next->payloadBytes() + 1;
    if (bytes > kMaxBytes) {
      break;
    }
    last = next;
    count += 1;
  }
  return count;
}

void JoinedSound::write(const FrameHistory& history, int64_t number, size_t count) {
  uint8_t* at = payload_.data();
  *at++ = history.frame(number)->payload(0)[0] | kAnyFrames;
  *at++ = kOwnLengths | static_cast<uint8_t>(count);
  const auto frame = [&](size_t i) {
    return history.frame(number + static_cast<int64_t>(i))->payload(0).subspan(1);
  };
  // The last one takes what is left.
  for (size_t i = 0; i + 1 < count; i += 1) {
    at = writeLength(frame(i).size(), at);
  }
  for (size_t i = 0; i < count; i += 1) {
    const Bytes bytes = frame(i);
    at = std::copy(bytes.begin(), bytes.end(), at);
  }
  bytes_ = static_cast<size_t>(at - payload_.data());
}

}  // namespace streamkit
