#include "frame_history.h"

#include <algorithm>

namespace streamkit {

const EncodedFrame& FrameHistory::push(EncodedFrame frame, int64_t nowUs) {
  frame.number = nextFrame_++;
  frame.firstPacket = nextPacket_;
  frame.sentAtUs = nowUs;
  frame.bytesBefore = totalBytes_;
  intervalUs_ = nowUs - pushedUs_;
  pushedUs_ = nowUs;
  nextPacket_ += frame.payloadCount();
  totalBytes_ += frame.payloadBytes();
  if (frame.keyframe) {
    lastKeyframe_ = frame.number;
    lastKeyframePacket_ = frame.firstPacket;
  }
  frames_.push_back(std::move(frame));
  evict(nowUs);
  return frames_.back();
}

const EncodedFrame* FrameHistory::frame(int64_t number) const {
  if (frames_.empty() || number < frames_.front().number || number >= nextFrame_) {
    return nullptr;
  }
  return &frames_[static_cast<size_t>(number - frames_.front().number)];
}

std::optional<StoredPacket> FrameHistory::packet(int64_t packet, int64_t nowUs) {
  evict(nowUs);
  const auto after =
      std::upper_bound(frames_.begin(), frames_.end(), packet,
                       [](int64_t value, const EncodedFrame& frame) { return value < frame.firstPacket; });
  if (after == frames_.begin()) {
    return std::nullopt;
  }
  const EncodedFrame& frame = *std::prev(after);
  const int64_t index = packet - frame.firstPacket;
  if (index >= frame.payloadCount()) {
    return std::nullopt;
  }
  return StoredPacket{&frame, static_cast<uint32_t>(index)};
}

void FrameHistory::evict(int64_t nowUs) {
  // The newest frame stays: it is what is being sent.
  while (frames_.size() > 1) {
    const EncodedFrame& oldest = frames_.front();
    const bool tooMuch = storedBytes() > kMaxBytes || frames_.size() > kMaxFrames;
    const bool inGroup = keepsGroup_ && lastKeyframe_ >= 0 && oldest.number >= lastKeyframe_;
    if (!tooMuch && (inGroup || oldest.sentAtUs >= nowUs - historyUs_)) {
      return;
    }
    frames_.pop_front();
  }
}

}  // namespace streamkit
