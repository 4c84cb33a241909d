#pragma once

#include "bytes.h"

namespace streamkit {

/** What shares one UDP port. */
enum class PacketKind { kStun, kDtls, kRtp, kRtcp, kUnknown };

/** RFC 7983 section 7 by the first byte, RFC 5761 section 4 by the second: RTCP types 192 to 223. */
inline PacketKind packetKindOf(Bytes datagram) {
  if (datagram.size() < 2) {
    return PacketKind::kUnknown;
  }
  const uint8_t first = datagram[0];
  if (first <= 3) {
    return PacketKind::kStun;
  }
  if (first >= 20 && first <= 63) {
    return PacketKind::kDtls;
  }
  if (first >= 128 && first <= 191) {
    return datagram[1] >= 192 && datagram[1] <= 223 ? PacketKind::kRtcp : PacketKind::kRtp;
  }
  return PacketKind::kUnknown;
}

}  // namespace streamkit
