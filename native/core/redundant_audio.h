#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "frame_history.h"
#include "reported_loss.h"

namespace streamkit {

/**
 * How many earlier packets each packet of sound repeats (RFC 2198), by the losses that the viewer reports:
 * none while nothing is lost, so that good links pay nothing.
 */
class AudioRedundancy {
 public:
  static constexpr size_t kMaxBlocks = 2;

  /** @param fractionLost of the viewer's report, 0 to 1 */
  void onReport(double fractionLost, int64_t nowUs) {
    const size_t wanted = fractionLost >= kMuchLoss ? 2 : fractionLost >= kSomeLoss ? 1 : 0;
    if (wanted >= blocks_ || nowUs - wantedUs_ > kHoldUs) {
      blocks_ = wanted;
      wantedUs_ = nowUs;
    }
  }
  size_t blocks() const { return blocks_; }

 private:
  static constexpr double kSomeLoss = reportedLoss(0.01);
  /** From here on two packets in a row are lost too often for one repetition. */
  static constexpr double kMuchLoss = reportedLoss(0.03);
  /** Reports must ask for fewer blocks for this long before there are fewer. */
  static constexpr int64_t kHoldUs = 10'000'000;

  size_t blocks_ = 0;
  /** When the blocks were set last. */
  int64_t wantedUs_ = 0;
};

/** What stands before the primary payload of a RED packet (RFC 2198 section 3): headers, then earlier
 * payloads. */
class RedPrefix {
 public:
  /** The offset field of a block header has 14 bits, the length field 10. */
  static constexpr uint32_t kMaxOffset = (1 << 14) - 1;
  static constexpr size_t kMaxBlockBytes = (1 << 10) - 1;
  /** Four bytes before each block, and one before the primary one. */
  static constexpr size_t kMaxHeaderBytes = 4 * AudioRedundancy::kMaxBlocks + 1;

  /** Earlier payloads are added oldest first. @returns false if a field cannot hold what it must */
  bool add(uint32_t timestampOffset, Bytes payload) {
    if (count_ == blocks_.size() || timestampOffset > kMaxOffset || payload.empty() ||
        payload.size() > kMaxBlockBytes) {
      return false;
    }
    blocks_[count_++] = {timestampOffset, payload};
    return true;
  }
  /** Adds up to `blocks` frames of sound that came just before `frame`, of `maxBytes` at most together with
   * it. */
  void addBefore(const EncodedFrame& frame, const FrameHistory& history, size_t blocks, double maxBytes) {
    const auto earlier = [&](size_t back) {
      return history.frame(frame.number - static_cast<int64_t>(back));
    };
    // The packet just before this one comes first: it is the one that is lost most often alone.
    size_t fitting = 0;
    size_t bytes = frame.payloadBytes();
    while (fitting < blocks) {
      const EncodedFrame* const next = earlier(fitting + 1);
      if (next == nullptr || next->payloadCount() != 1 ||
          static_cast<double>(bytes + next->payloadBytes()) > maxBytes) {
        break;
      }
      bytes += next->payloadBytes();
      fitting += 1;
    }
    for (size_t back = fitting; back > 0; back -= 1) {
      add(frame.rtpTimestamp - earlier(back)->rtpTimestamp, earlier(back)->payload(0));
    }
  }
  bool empty() const { return count_ == 0; }

  /** @param payloadType of the codec within */
  Bytes write(uint8_t payloadType) {
    uint8_t* at = bytes_.data();
    for (size_t i = 0; i < count_; i += 1) {
      // One bit that another header follows, 7 bits of type, 14 of offset, 10 of length.
      const auto bytes = static_cast<uint32_t>(blocks_[i].payload.size());
      const uint32_t header = 0x80000000u | (payloadType & 0x7fu) << 24 | blocks_[i].offset << 10 | bytes;
      writeU16(at, static_cast<uint16_t>(header >> 16));
      writeU16(at + 2, static_cast<uint16_t>(header));
      at += 4;
    }
    *at++ = payloadType & 0x7f;
    for (size_t i = 0; i < count_; i += 1) {
      at = std::copy(blocks_[i].payload.begin(), blocks_[i].payload.end(), at);
    }
    return {bytes_.data(), static_cast<size_t>(at - bytes_.data())};
  }

 private:
  struct Block {
    uint32_t offset;
    Bytes payload;
  };

  std::array<Block, AudioRedundancy::kMaxBlocks> blocks_{};
  size_t count_ = 0;
  std::array<uint8_t, AudioRedundancy::kMaxBlocks*(4 + kMaxBlockBytes) + 1> bytes_;
};

}  // namespace streamkit
