#include "relayed_data.h"

#include "stun_attributes.h"

namespace streamkit {
namespace {

// RFC 8656 section 18.
constexpr uint16_t kAttributeXorPeerAddress = 0x0012;
constexpr uint16_t kAttributeData = 0x0013;

/**
 * RFC 8489 section 14.2.
 * @param mask cookie and transaction id, 16 bytes
 */
std::optional<SocketAddress> readXorAddress(Bytes value, Bytes mask) {
  constexpr size_t kIpAt = 4;
  if (value.size() < kIpAt) {
    return std::nullopt;
  }
  const size_t ipBytes = value[1] == 1 ? 4 : value[1] == 2 ? 16 : 0;
  if (ipBytes == 0 || value.size() != kIpAt + ipBytes) {
    return std::nullopt;
  }
  std::array<uint8_t, 16> ip{};
  for (size_t i = 0; i < ipBytes; i += 1) {
    ip[i] = value[kIpAt + i] ^ mask[i];
  }
  const auto port = static_cast<uint16_t>(readU16(&value[2]) ^ readU16(mask.data()));
  return SocketAddress::fromBytes(Bytes(ip).first(ipBytes), port);
}

}  // namespace

std::optional<ChannelData> ChannelData::parse(MutableBytes datagram) {
  if (datagram.size() < kHeaderBytes) {
    return std::nullopt;
  }
  const uint16_t channel = readU16(datagram.data());
  const size_t bytes = readU16(&datagram[2]);
  if (channel < kFirstChannel || channel > kLastChannel || bytes > datagram.size() - kHeaderBytes) {
    return std::nullopt;
  }
  return ChannelData{channel, datagram.subspan(kHeaderBytes, bytes)};
}

std::optional<DataIndication> DataIndication::parse(MutableBytes datagram) {
  if (!hasStunHeader(datagram) || !isOne(datagram)) {
    return std::nullopt;
  }
  std::optional<SocketAddress> peer;
  std::optional<MutableBytes> data;
  const bool isWhole = forEachAttribute(datagram, [&](uint16_t type, size_t, MutableBytes value) {
    // RFC 8489 section 14: of several of one type the first counts.
    if (type == kAttributeXorPeerAddress && !peer.has_value()) {
      peer = readXorAddress(value, datagram.subspan(4, 16));
      return peer.has_value();
    }
    if (type == kAttributeData && !data.has_value()) {
      data = value;
    }
    return true;
  });
  if (!isWhole || !peer.has_value() || !data.has_value()) {
    return std::nullopt;
  }
  return DataIndication{*peer, *data};
}

}  // namespace streamkit
