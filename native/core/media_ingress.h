#pragma once

#include <array>
#include <memory>
#include <optional>

#include "media_core.h"
#include "media_frame_reader.h"
#include "rate_budget.h"

namespace streamkit {

/** Why a media socket is read no more. */
enum class MediaFault { kMalformed, kOversized, kFlooded, kClosed };

/**
 * What comes in over one media socket, without the socket: it takes the bytes, hands each complete frame to
 * the producer that its slot is bound to, and counts. One session process feeds it; a fault is that session's
 * own.
 */
class MediaIngress {
 public:
  /** On average over a second; twice as much may come in the first one. */
  static constexpr double kMaxFramesPerSecond = 2000;
  static constexpr double kMaxBytesPerSecond = 64.0 * 1024 * 1024;

  explicit MediaIngress(std::shared_ptr<MediaSocketStats> stats) : stats_(std::move(stats)) {}

  /**
   * The slot's frames go to this producer, from the next keyframe on.
   * @param slot below MediaSocketStats::kSlots
   */
  void bind(uint8_t slot, uint32_t producer);
  void unbind(uint8_t slot) { slots_[slot] = {}; }

  /** Where the next bytes of the stream go. */
  MutableBytes space() { return reader_.space(); }
  /**
   * Sends the frame that these bytes complete, if they do.
   * @param bytes how many were written to the beginning of `space()`
   * @returns why nothing more may be read, or nothing
   */
  [[nodiscard]] std::optional<MediaFault> advance(size_t bytes, MediaCore& core, int64_t nowUs);

 private:
  struct Slot {
    std::optional<uint32_t> producer;
    bool awaitsKeyframe = false;
  };

  void pass(uint8_t slot, EncodedFrame frame, MediaCore& core, int64_t nowUs);

  std::shared_ptr<MediaSocketStats> stats_;
  MediaFrameReader reader_;
  RateBudget frameBudget_{kMaxFramesPerSecond};
  RateBudget byteBudget_{kMaxBytesPerSecond};
  std::array<Slot, MediaSocketStats::kSlots> slots_{};
};

}  // namespace streamkit
