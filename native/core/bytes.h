#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace streamkit {

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

// Network byte order. Callers have checked the bounds.

inline uint16_t readU16(const uint8_t* at) {
  return static_cast<uint16_t>(at[0] << 8 | at[1]);
}

inline uint32_t readU24(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) << 16 | static_cast<uint32_t>(at[1]) << 8 | at[2];
}

inline uint32_t readU32(const uint8_t* at) {
  return static_cast<uint32_t>(readU16(at)) << 16 | readU16(at + 2);
}

inline void writeU16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

inline void writeU24(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 16);
  writeU16(at + 1, static_cast<uint16_t>(value));
}

inline void writeU32(uint8_t* at, uint32_t value) {
  writeU16(at, static_cast<uint16_t>(value >> 16));
  writeU16(at + 2, static_cast<uint16_t>(value));
}

// Little endian: what the processes of one machine tell each other.

inline uint32_t readU32LittleEndian(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 |
         static_cast<uint32_t>(at[2]) << 16 | static_cast<uint32_t>(at[3]) << 24;
}

inline uint64_t readU64LittleEndian(const uint8_t* at) {
  return readU32LittleEndian(at) | static_cast<uint64_t>(readU32LittleEndian(at + 4)) << 32;
}

}  // namespace streamkit
