#pragma once

#include <functional>

#include "media_shard.h"

namespace streamkit {

/**
 * The way to a shard that another thread runs. What is handed over takes effect in its order, and does not
 * wait for the shard.
 */
class ShardLink {
 public:
  using Command = std::function<void(MediaShard& shard, int64_t nowUs)>;

  virtual void post(Command command) = 0;
  /**
   * Bounded: a frame beyond it is dropped, and the shard's viewers wait for the next keyframe.
   * @param urgent the shard has viewers; otherwise the frame may wait for others to come
   */
  virtual void postFrame(uint32_t producer, const EncodedFrame& frame, bool gapBefore, bool urgent) = 0;
  virtual void postCloseProducer(uint32_t producer) = 0;
  /** Bounded. @returns false if it was dropped */
  virtual bool postRtcp(uint32_t transport, Bytes data) = 0;

 protected:
  ~ShardLink() = default;
};

}  // namespace streamkit
