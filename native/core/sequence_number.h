#pragma once

#include <cstdint>

namespace streamkit {

// Arithmetic on the 16-bit sequence numbers of RTP (RFC 3550 section 5.1). All of it is here, because every
// place that compares them with `<` works until the number wraps.

/** Signed distance from `from` to `to`, -32768 to 32767: negative where `to` is older. */
inline int16_t sequenceDistance(uint16_t from, uint16_t to) {
  return static_cast<int16_t>(static_cast<uint16_t>(to - from));
}

/** The full count whose lower 16 bits are `sequenceNumber`, within half the number space of `nearCount`. */
inline int64_t unwrapSequence(uint16_t sequenceNumber, int64_t nearCount) {
  return nearCount + sequenceDistance(static_cast<uint16_t>(nearCount), sequenceNumber);
}

}  // namespace streamkit
