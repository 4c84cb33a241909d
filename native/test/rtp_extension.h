#pragma once

#include "core/rtp_header.h"

namespace streamkit::test {

/** The element of a one-byte extension (RFC 8285 section 4.2); empty where it is absent. */
inline Bytes extensionElement(const RtpPacketView& packet, uint8_t id) {
  constexpr uint16_t kOneByteProfile = 0xbede;
  constexpr uint8_t kMaxOneByteId = 14;
  const Bytes extension = packet.extension;
  if (packet.extensionProfile != kOneByteProfile) {
    return {};
  }
  for (size_t at = 0; at < extension.size();) {
    if (extension[at] == 0) {
      at += 1;
      continue;
    }
    const uint8_t elementId = extension[at] >> 4;
    const size_t length = (extension[at] & 0x0fu) + 1u;
    if (elementId > kMaxOneByteId || extension.size() - at - 1 < length) {
      return {};
    }
    if (elementId == id) {
      return extension.subspan(at + 1, length);
    }
    at += 1 + length;
  }
  return {};
}

}  // namespace streamkit::test
