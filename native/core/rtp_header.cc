#include "rtp_header.h"

#include <algorithm>
#include <cstring>

namespace streamkit {
namespace {

// RFC 3550 section 5.1.
constexpr size_t kFixedHeaderBytes = 12;
constexpr uint8_t kVersion2 = 0x80;
constexpr uint8_t kPaddingBit = 0x20;
constexpr uint8_t kExtensionBit = 0x10;
constexpr uint8_t kMarkerBit = 0x80;
// RFC 8285 sections 4.1.2 and 4.2: one-byte elements hold 1 to 16 bytes under the ids 1 to 14.
constexpr uint16_t kOneByteProfile = 0xbede;
constexpr size_t kProfileBytes = 4;
constexpr uint8_t kMaxOneByteId = 14;
constexpr size_t kMaxElementBytes = 16;
constexpr unsigned kPlayoutDelayUnitMs = 10;
constexpr unsigned kPlayoutDelayMax = 0xfff;

}  // namespace

RtpHeaderTemplate::RtpHeaderTemplate(std::string_view mid, const HeaderExtensionIds& ids,
                                     unsigned playoutDelayMaxMs, std::string_view rid)
    : size_(kFixedHeaderBytes + kProfileBytes), repairedRidId_(ids.repairedRid) {
  add(ids.mid, Bytes(reinterpret_cast<const uint8_t*>(mid.data()), mid.size()));
  ridOffset_ = add(ids.rid, Bytes(reinterpret_cast<const uint8_t*>(rid.data()), rid.size()));
  const std::array<uint8_t, 8> zeros{};
  transportSequenceOffset_ = add(ids.transportWideCc, Bytes(zeros).first(2));
  playoutDelayOffset_ = add(ids.playoutDelay, Bytes(zeros).first(3));
  // A least delay of zero says "render as soon as decoded".
  setPlayoutDelay(0, playoutDelayMaxMs);
  captureTimeOffset_ = add(ids.absCaptureTime, zeros);

  if (size_ == kFixedHeaderBytes + kProfileBytes) {
    size_ = kFixedHeaderBytes;
    template_[0] = kVersion2;
    return;
  }
  const size_t extensionWords = (size_ - kFixedHeaderBytes - kProfileBytes + 3) / 4;
  size_ = kFixedHeaderBytes + kProfileBytes + extensionWords * 4;
  template_[0] = kVersion2 | kExtensionBit;
  writeU16(&template_[kFixedHeaderBytes], kOneByteProfile);
  writeU16(&template_[kFixedHeaderBytes + 2], static_cast<uint16_t>(extensionWords));
}

void RtpHeaderTemplate::setPlayoutDelay(unsigned minMs, unsigned maxMs) {
  if (playoutDelayOffset_ == 0) {
    return;
  }
  // Least and greatest delay, 12 bits each, in 10 ms.
  const auto units = [](unsigned ms) {
    return std::min((ms + kPlayoutDelayUnitMs / 2) / kPlayoutDelayUnitMs, kPlayoutDelayMax);
  };
  writeU24(&template_[playoutDelayOffset_], units(minMs) << 12 | units(maxMs));
}

size_t RtpHeaderTemplate::add(uint8_t id, Bytes data) {
  if (id < 1 || id > kMaxOneByteId || data.empty() || data.size() > kMaxElementBytes) {
    return 0;
  }
  template_[size_] = static_cast<uint8_t>(id << 4 | (data.size() - 1));
  const size_t offset = size_ + 1;
  std::memcpy(&template_[offset], data.data(), data.size());
  size_ = offset + data.size();
  return offset;
}

void RtpHeaderTemplate::write(const RtpHeaderFields& fields, uint8_t* out) const {
  std::memcpy(out, template_.data(), size_);
  out[0] = static_cast<uint8_t>(out[0] | (fields.padding ? kPaddingBit : 0));
  out[1] = static_cast<uint8_t>((fields.marker ? kMarkerBit : 0) | fields.payloadType);
  writeU16(out + 2, fields.sequenceNumber);
  writeU32(out + 4, fields.rtpTimestamp);
  writeU32(out + 8, fields.ssrc);
  if (ridOffset_ != 0 && fields.repair) {
    out[ridOffset_ - 1] = static_cast<uint8_t>(repairedRidId_ << 4 | (out[ridOffset_ - 1] & 0x0f));
  }
  if (transportSequenceOffset_ != 0) {
    writeU16(out + transportSequenceOffset_, fields.transportSequenceNumber);
  }
  if (captureTimeOffset_ != 0) {
    writeU32(out + captureTimeOffset_, fields.captureTime.seconds);
    writeU32(out + captureTimeOffset_ + 4, fields.captureTime.fraction);
  }
}

std::optional<RtpPacketView> RtpPacketView::parse(Bytes packet) {
  if (packet.size() < kFixedHeaderBytes || packet[0] >> 6 != 2) {
    return std::nullopt;
  }
  RtpPacketView view;
  view.marker = (packet[1] & kMarkerBit) != 0;
  view.payloadType = packet[1] & 0x7f;
  view.sequenceNumber = readU16(&packet[2]);
  view.rtpTimestamp = readU32(&packet[4]);
  view.ssrc = readU32(&packet[8]);
  view.headerBytes = kFixedHeaderBytes + static_cast<size_t>(packet[0] & 0x0f) * 4;
  if ((packet[0] & kExtensionBit) != 0) {
    if (packet.size() < view.headerBytes + kProfileBytes) {
      return std::nullopt;
    }
    view.extensionProfile = readU16(&packet[view.headerBytes]);
    const size_t extensionBytes = static_cast<size_t>(readU16(&packet[view.headerBytes + 2])) * 4;
    const size_t extensionStart = view.headerBytes + kProfileBytes;
    if (packet.size() - extensionStart < extensionBytes) {
      return std::nullopt;
    }
    view.extension = packet.subspan(extensionStart, extensionBytes);
    view.headerBytes = extensionStart + extensionBytes;
  }
  if (packet.size() < view.headerBytes) {
    return std::nullopt;
  }
  view.payload = packet.subspan(view.headerBytes);
  if ((packet[0] & kPaddingBit) != 0 && view.payload.empty()) {
    return std::nullopt;
  }
  return view;
}

}  // namespace streamkit
