#pragma once

#include "deframer.h"
#include "relayed_data.h"
#include "stun_attributes.h"

namespace streamkit {

/**
 * What a TURN server sends in a stream: STUN messages, and data of channels, padded to a multiple of four
 * bytes (RFC 8656 section 12.5).
 */
struct TurnFraming {
  static constexpr size_t kHeaderBytes = ChannelData::kHeaderBytes;
  /** As long as the datagrams that are taken by UDP. */
  static constexpr size_t kMaxBytes = 2048;

  std::optional<size_t> messageBytes(Bytes header) const {
    const size_t length = readU16(&header[2]);
    const size_t paddedLength = (length + 3) / 4 * 4;
    if (isChannelData(header)) {
      return kHeaderBytes + paddedLength;
    }
    return header[0] <= 3 && length == paddedLength ? std::optional(kStunHeaderBytes + length) : std::nullopt;
  }
};

/** Messages come with their padding. */
using TurnDeframer = Deframer<TurnFraming>;

}  // namespace streamkit
