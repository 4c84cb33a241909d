#pragma once

#include <algorithm>
#include <array>

#include "flexfec_packet.h"

namespace streamkit {

/**
 * Which packets of a picture each repair packet restores. They take turns, so that a few packets in a row
 * that are lost belong to different repair packets. A large picture is protected in parts.
 */
class FlexfecEncoder {
 public:
  /** Packets per repair packet, at most. */
  static constexpr size_t kPackets = 8;
  static constexpr size_t kMaxRepairs = 4;
  static constexpr size_t kMaxPart = kPackets * kMaxRepairs;

  /** Before the first packet of a picture. */
  void begin(size_t packets) {
    packetsLeft_ = packets;
    beginPart();
  }
  /** Whether a picture is protected: `begin` was called, and its last packet has not been added. */
  bool active() const { return packetsLeft_ > 0; }
  /** @returns whether a part is complete: its repair packets are to be sent, then `endPart` called */
  bool add(uint16_t sequenceNumber, Bytes header, Bytes payload) {
    repairs_[added_ % count_].add(sequenceNumber, header, payload);
    added_ += 1;
    packetsLeft_ -= 1;
    return added_ == part_;
  }
  std::span<FlexfecPacket> repairs() { return std::span(repairs_).first(count_); }
  void endPart() { beginPart(); }

 private:
  static_assert(kMaxPart <= FlexfecPacket::kMaxSpan);

  void beginPart() {
    // Parts of about the same size: a short one at the end would have the most repair packets.
    const size_t parts = (packetsLeft_ + kMaxPart - 1) / kMaxPart;
    part_ = parts == 0 ? 0 : (packetsLeft_ + parts - 1) / parts;
    count_ = (part_ + kPackets - 1) / kPackets;
    added_ = 0;
    for (FlexfecPacket& repair : repairs_) {
      repair.clear();
    }
  }

  std::array<FlexfecPacket, kMaxRepairs> repairs_;
  size_t packetsLeft_ = 0;
  size_t part_ = 0;
  size_t count_ = 0;
  size_t added_ = 0;
};

}  // namespace streamkit
