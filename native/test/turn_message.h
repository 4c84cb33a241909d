#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "core/relayed_data.h"

namespace streamkit::test {

/** What a TURN server sends by a channel. */
inline std::vector<uint8_t> channelData(uint16_t channel, Bytes data) {
  std::vector<uint8_t> bytes(ChannelData::kHeaderBytes + data.size());
  ChannelData::writeHeader(bytes.data(), channel, data.size());
  std::copy(data.begin(), data.end(), bytes.begin() + ChannelData::kHeaderBytes);
  return bytes;
}

/** What a TURN server sends of a peer that has no channel. @param peer IPv4 */
inline std::vector<uint8_t> dataIndication(const SocketAddress& peer, Bytes data) {
  std::vector<uint8_t> bytes(20);
  writeU16(bytes.data(), 0x0017);
  writeU32(&bytes[4], 0x2112a442);
  const auto append = [&](uint16_t type, Bytes value) {
    const size_t at = bytes.size();
    bytes.resize(at + 4 + (value.size() + 3) / 4 * 4);
    writeU16(&bytes[at], type);
    writeU16(&bytes[at + 2], static_cast<uint16_t>(value.size()));
    std::copy(value.begin(), value.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at) + 4);
  };
  std::array<uint8_t, 8> address{0, 1};
  writeU16(&address[2], static_cast<uint16_t>(peer.port() ^ 0x2112));
  for (size_t i = 0; i < 4; i += 1) {
    address[4 + i] = peer.ip()[i] ^ bytes[4 + i];
  }
  append(0x0012, address);
  append(0x0013, data);
  writeU16(&bytes[2], static_cast<uint16_t>(bytes.size() - 20));
  return bytes;
}

}  // namespace streamkit::test
