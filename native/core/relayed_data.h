#pragma once

#include <optional>

#include "bytes.h"
#include "socket_address.h"

namespace streamkit {

// What a TURN server and its client send each other for a peer (RFC 8656).

/** Section 12: the numbers that a client may bind to a peer. */
constexpr uint16_t kFirstChannel = 0x4000;
constexpr uint16_t kLastChannel = 0x4fff;

/** RFC 7983 section 7: whether the first byte of what a TURN server sends says that it goes by a channel. */
inline bool isChannelData(Bytes datagram) {
  return !datagram.empty() && datagram[0] >= 64 && datagram[0] <= 79;
}

/** A datagram of the peer that the channel is bound to (section 12.4). */
struct ChannelData {
  static constexpr size_t kHeaderBytes = 4;

  uint16_t channel;
  MutableBytes data;

  /** Nothing if it is none, or shorter than it says. What follows it is padding. */
  static std::optional<ChannelData> parse(MutableBytes datagram);
  static void writeHeader(uint8_t* at, uint16_t channel, size_t bytes) {
    writeU16(at, channel);
    writeU16(at + 2, static_cast<uint16_t>(bytes));
  }
};

/** A datagram of a peer that has a permission and no channel (section 11.6). */
struct DataIndication {
  SocketAddress peer;
  MutableBytes data;

  static bool isOne(Bytes datagram) {
    constexpr uint16_t kType = 0x0017;
    return datagram.size() >= 2 && readU16(datagram.data()) == kType;
  }
  /** Nothing if a length does not fit, or the peer or its datagram is missing. */
  static std::optional<DataIndication> parse(MutableBytes datagram);
};

}  // namespace streamkit
