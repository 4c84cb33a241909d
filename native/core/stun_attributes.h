#pragma once

#include "bytes.h"

namespace streamkit {

// RFC 8489 sections 5 and 14.
constexpr size_t kStunHeaderBytes = 20;
constexpr size_t kStunAttributeHeaderBytes = 4;
constexpr uint32_t kStunMagicCookie = 0x2112a442;

/** Whether the datagram begins as a STUN message does and is as long as it says. */
inline bool hasStunHeader(Bytes datagram) {
  return datagram.size() >= kStunHeaderBytes && datagram[0] <= 3 &&
         readU32(&datagram[4]) == kStunMagicCookie &&
         readU16(&datagram[2]) == datagram.size() - kStunHeaderBytes;
}

/**
 * Reads the attributes of a message in order.
 * @param datagram has a STUN header
 * @param callback is given the type of each, where it begins and its value; it returns false to refuse the
 *     message
 * @returns false if a length does not fit, or the callback refuses
 */
template <typename Byte, typename Callback>
bool forEachAttribute(std::span<Byte> datagram, Callback&& callback) {
  for (size_t at = kStunHeaderBytes; at < datagram.size();) {
    if (datagram.size() - at < kStunAttributeHeaderBytes) {
      return false;
    }
    const uint16_t type = readU16(&datagram[at]);
    const size_t length = readU16(&datagram[at + 2]);
    const size_t valueAt = at + kStunAttributeHeaderBytes;
    const size_t paddedLength = (length + 3) / 4 * 4;
    if (datagram.size() - valueAt < paddedLength || !callback(type, at, datagram.subspan(valueAt, length))) {
      return false;
    }
    at = valueAt + paddedLength;
  }
  return true;
}

}  // namespace streamkit
