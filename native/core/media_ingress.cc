#include "media_ingress.h"

namespace streamkit {

void MediaIngress::bind(uint8_t slot, uint32_t producer) {
  if (slots_[slot].producer != producer) {
    slots_[slot] = {producer, true};
  }
}

std::optional<MediaFault> MediaIngress::advance(size_t bytes, MediaCore& core, int64_t nowUs) {
  if (!byteBudget_.take(static_cast<double>(bytes), nowUs)) {
    return MediaFault::kFlooded;
  }
  switch (reader_.advance(bytes)) {
    case MediaFrameReader::Result::kIncomplete:
      return std::nullopt;
    case MediaFrameReader::Result::kMalformed:
      return MediaFault::kMalformed;
    case MediaFrameReader::Result::kOversized:
      return MediaFault::kOversized;
    case MediaFrameReader::Result::kFrame:
      break;
  }
  if (!frameBudget_.take(1, nowUs)) {
    return MediaFault::kFlooded;
  }
  pass(reader_.slot(), reader_.take(), core, nowUs);
  return std::nullopt;
}

void MediaIngress::pass(uint8_t number, EncodedFrame frame, MediaCore& core, int64_t nowUs) {
  Slot& slot = slots_[number];
  MediaSlotStats& stats = stats_->slots[number];
  stats.lastFrameUs = nowUs;
  if (!slot.producer.has_value() || !core.hasProducer(*slot.producer)) {
    stats.dropped += 1;
    return;
  }
  if (slot.awaitsKeyframe && !frame.keyframe) {
    stats.dropped += 1;
    // The new producer may have no consumer yet that asks.
    core.requestKeyframe(*slot.producer, nowUs);
    return;
  }
  slot.awaitsKeyframe = false;
  stats.frames += 1;
  stats.bytes += frame.payloadBytes();
  stats.keyframes += frame.keyframe ? 1 : 0;
  core.sendFrame(*slot.producer, std::move(frame), false, nowUs);
}

}  // namespace streamkit
