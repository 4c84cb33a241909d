#include "flexfec_packet.h"

#include <algorithm>

namespace streamkit {
namespace {

void exclusiveOr(uint8_t* to, Bytes from) {
  for (size_t i = 0; i < from.size(); i += 1) {
    to[i] ^= from[i];
  }
}

}  // namespace

void FlexfecPacket::clear() {
  mask_ = 0;
  span_ = 0;
  flags_ = {};
  length_ = 0;
  timestamp_ = 0;
  std::fill_n(packet_.data() + kMaxHeaderBytes, bytes_, uint8_t{0});
  bytes_ = 0;
}

bool FlexfecPacket::add(uint16_t sequenceNumber, Bytes header, Bytes payload) {
  const size_t at = empty() ? 0 : static_cast<uint16_t>(sequenceNumber - first_);
  const size_t bytes = header.size() - kRtpHeaderBytes + payload.size();
  if (at >= kMaxSpan || bytes > PacketBatch::kMaxPacketBytes) {
    return false;
  }
  first_ = empty() ? sequenceNumber : first_;
  mask_ |= uint64_t{1} << at;
  span_ = at + 1;
  exclusiveOr(flags_.data(), header.first(flags_.size()));
  length_ = static_cast<uint16_t>(length_ ^ bytes);
  timestamp_ ^= readU32(&header[4]);
  uint8_t* const body = packet_.data() + kMaxHeaderBytes;
  const Bytes extension = header.subspan(kRtpHeaderBytes);
  exclusiveOr(body, extension);
  exclusiveOr(body + extension.size(), payload);
  bytes_ = std::max(bytes_, bytes);
  return true;
}

Bytes FlexfecPacket::write(uint32_t ssrc) {
  const bool isShort = span_ <= kShortSpan;
  const size_t headerBytes = isShort ? kMaxHeaderBytes - 4 : kMaxHeaderBytes;
  uint8_t* const out = packet_.data() + kMaxHeaderBytes - headerBytes;
  // Draft section 4.2.2: no retransmission, a mask of its own; then what restores the fixed header.
  out[0] = flags_[0] & 0x3f;
  out[1] = flags_[1];
  writeU16(out + 2, length_);
  writeU32(out + 4, timestamp_);
  // One stream, and three reserved bytes.
  writeU32(out + 8, uint32_t{1} << 24);
  writeU32(out + 12, ssrc);
  writeU16(out + 16, first_);
  // The first packet has the highest bit of a mask. The bit above it ends the mask.
  uint32_t first15 = 0;
  uint32_t next31 = 0;
  for (size_t i = 0; i < span_; i += 1) {
    const uint32_t bit = mask_ >> i & 1;
    if (i < kShortSpan) {
      first15 |= bit << (kShortSpan - 1 - i);
    } else {
      next31 |= bit << (kMaxSpan - 1 - i);
    }
  }
  writeU16(out + 18, static_cast<uint16_t>(first15 | (isShort ? 0x8000 : 0)));
  if (!isShort) {
    writeU32(out + 20, next31 | 0x80000000);
  }
  return {out, headerBytes + bytes_};
}

}  // namespace streamkit
