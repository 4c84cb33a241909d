#pragma once

#include <deque>
#include <optional>

#include "encoded_frame.h"

namespace streamkit {

/** A packet of the history. */
struct StoredPacket {
  const EncodedFrame* frame;
  uint32_t index;
};

/**
 * The frames that one source has sent lately, kept once for all viewers: what their pacers have yet to send,
 * what they may ask for again, and what a newcomer is shown. Frames and packets are counted from 0 over the
 * life of the source; a viewer's own sequence numbers are mapped to that count by its consumer. Bounded in
 * time, bytes and frames; the oldest go first.
 */
class FrameHistory {
 public:
  static constexpr uint64_t kMaxBytes = 16 * 1024 * 1024;
  static constexpr size_t kMaxFrames = 4096;

  /**
   * @param keepsGroup keep the frames since the last keyframe however old they are
   */
  FrameHistory(int64_t historyUs, bool keepsGroup) : historyUs_(historyUs), keepsGroup_(keepsGroup) {}

  const EncodedFrame& push(EncodedFrame frame, int64_t nowUs);
  /** Null where it is gone, or not there yet. */
  const EncodedFrame* frame(int64_t number) const;
  std::optional<StoredPacket> packet(int64_t packet, int64_t nowUs);

  /** Number of the frame that comes next. */
  int64_t nextFrame() const { return nextFrame_; }
  int64_t oldestPacket() const { return frames_.empty() ? nextPacket_ : frames_.front().firstPacket; }
  /** When the frame that comes next would come if it came as long after the last one as that one did. */
  int64_t expectedUs() const { return pushedUs_ + intervalUs_; }
  /** Count of the packet that comes next. */
  int64_t nextPacket() const { return nextPacket_; }
  /** Negative before the first one. */
  int64_t lastKeyframeNumber() const { return lastKeyframe_; }
  /** Count of its first packet, 0 before the first one. */
  int64_t lastKeyframePacket() const { return lastKeyframePacket_; }
  /** Payload bytes from the frame's first on; it must be there. */
  uint64_t bytesSince(const EncodedFrame& frame) const { return totalBytes_ - frame.bytesBefore; }
  uint64_t storedBytes() const { return frames_.empty() ? 0 : bytesSince(frames_.front()); }
  /** The last keyframe, if everything since is there. */
  const EncodedFrame* lastKeyframe() const { return lastKeyframe_ < 0 ? nullptr : frame(lastKeyframe_); }

 private:
  void evict(int64_t nowUs);

  int64_t historyUs_;
  bool keepsGroup_;
  std::deque<EncodedFrame> frames_;
  int64_t pushedUs_ = 0;
  int64_t intervalUs_ = 0;
  int64_t nextFrame_ = 0;
  int64_t nextPacket_ = 0;
  uint64_t totalBytes_ = 0;
  int64_t lastKeyframe_ = -1;
  int64_t lastKeyframePacket_ = 0;
};

}  // namespace streamkit
