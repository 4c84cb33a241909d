#pragma once

#include <array>
#include <cstdint>

#include "bytes.h"
#include "packet_batch.h"

namespace streamkit {

/**
 * A repair packet of FlexFEC as browsers know it (draft-ietf-payload-flexible-fec-scheme-03, "flexfec-03"):
 * the XOR of some packets of one stream. Whichever one of them is lost is restored from it and the others.
 */
class FlexfecPacket {
 public:
  /** From the first packet to the last: what the masks of 15 and 31 bits hold. */
  static constexpr size_t kMaxSpan = 46;

  bool empty() const { return mask_ == 0; }
  void clear();
  /**
   * @param header of the packet, with zeros for what is filled in as it is sent: the transport-wide sequence
   * number. A receiver puts zeros there as well.
   * @returns false if the packet is too far from the first one, or too long
   */
  bool add(uint16_t sequenceNumber, Bytes header, Bytes payload);
  /** The payload of the repair packet, until the next call. @param ssrc of the packets */
  Bytes write(uint32_t ssrc);

 private:
  /** Without CSRCs, which are never sent; the XOR begins behind it. */
  static constexpr size_t kRtpHeaderBytes = 12;
  /** With the longer mask. */
  static constexpr size_t kMaxHeaderBytes = 24;
  static constexpr size_t kShortSpan = 15;

  uint16_t first_ = 0;
  /** Bit n stands for the packet `first_ + n`. */
  uint64_t mask_ = 0;
  size_t span_ = 0;
  std::array<uint8_t, 2> flags_{};
  uint16_t length_ = 0;
  uint32_t timestamp_ = 0;
  size_t bytes_ = 0;
  /** The header goes right before the XOR. */
  std::array<uint8_t, kMaxHeaderBytes + PacketBatch::kMaxPacketBytes> packet_{};
};

}  // namespace streamkit
