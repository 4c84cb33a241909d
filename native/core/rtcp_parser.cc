#include "rtcp_parser.h"

#include <cmath>
#include <cstring>

namespace streamkit {
namespace {

// RFC 3550 section 12.1, RFC 4585 section 6.1.
constexpr uint8_t kSenderReport = 200;
constexpr uint8_t kReceiverReport = 201;
constexpr uint8_t kBye = 203;
constexpr uint8_t kTransportFeedback = 205;
constexpr uint8_t kPayloadFeedback = 206;
constexpr uint8_t kFormatNack = 1;
constexpr uint8_t kFormatTransportWide = 15;
constexpr uint8_t kFormatPli = 1;
constexpr uint8_t kFormatFir = 4;
constexpr uint8_t kFormatApplication = 15;

constexpr size_t kHeaderBytes = 4;
constexpr size_t kSsrcBytes = 4;
constexpr size_t kSenderInfoBytes = 20;
constexpr size_t kReportBlockBytes = 24;
constexpr size_t kFirItemBytes = 8;
constexpr uint8_t kPaddingBit = 0x20;

bool readReportBlocks(Bytes body, size_t start, size_t count, RtcpListener* listener) {
  if (body.size() < start + count * kReportBlockBytes) {
    return false;
  }
  for (size_t i = 0; listener != nullptr && i < count; i += 1) {
    const uint8_t* const at = &body[start + i * kReportBlockBytes];
    ReportBlock block;
    block.ssrc = readU32(at);
    block.fractionLost = at[4] / 256.0;
    // 24 bits, signed: shifted up to the sign bit and back.
    block.packetsLost = static_cast<int32_t>(readU24(at + 5) << 8) / 256;
    block.highestSequence = readU32(at + 8);
    block.jitter = readU32(at + 12);
    block.lastSenderReport = readU32(at + 16);
    block.delaySinceLastSenderReport = readU32(at + 20);
    listener->onReport(block);
  }
  return true;
}

/** RFC 5104 section 4.3.1: the media SSRC of the header is unused, each item names its own. */
bool readFir(Bytes body, RtcpListener* listener) {
  if (body.size() < 2 * kSsrcBytes + kFirItemBytes) {
    return false;
  }
  for (size_t item = 2 * kSsrcBytes; listener != nullptr && item + kFirItemBytes <= body.size();
       item += kFirItemBytes) {
    listener->onFir(readU32(&body[item]), body[item + 4]);
  }
  return true;
}

/** draft-alvestrand-rmcat-remb-03 section 2.2; other application feedback is skipped. */
bool readRemb(Bytes body, RtcpListener* listener) {
  constexpr size_t kFixedBytes = 2 * kSsrcBytes + 8;
  if (body.size() < kFixedBytes || std::memcmp(&body[2 * kSsrcBytes], "REMB", 4) != 0) {
    return true;
  }
  const uint8_t* const at = &body[2 * kSsrcBytes + 4];
  if (body.size() < kFixedBytes + at[0] * kSsrcBytes) {
    return false;
  }
  if (listener != nullptr) {
    const int exponent = at[1] >> 2;
    const uint32_t mantissa = static_cast<uint32_t>(at[1] & 3) << 16 | readU16(at + 2);
    listener->onRemb(std::ldexp(mantissa, exponent));
  }
  return true;
}

bool readTransportLayer(uint8_t format, Bytes body, RtcpListener* listener) {
  if (format == kFormatNack) {
    if (body.size() < 2 * kSsrcBytes + kNackItemBytes) {
      return false;
    }
    if (listener != nullptr) {
      listener->onNack(readU32(&body[kSsrcBytes]), body.subspan(2 * kSsrcBytes));
    }
  } else if (format == kFormatTransportWide) {
    if (body.size() < 2 * kSsrcBytes) {
      return false;
    }
    if (listener != nullptr) {
      listener->onTransportFeedback(body.subspan(2 * kSsrcBytes));
    }
  }
  return true;
}

bool readPayloadSpecific(uint8_t format, Bytes body, RtcpListener* listener) {
  switch (format) {
    case kFormatPli:
      // RFC 4585 section 6.3.1.
      if (body.size() < 2 * kSsrcBytes) {
        return false;
      }
      if (listener != nullptr) {
        listener->onPli(readU32(&body[kSsrcBytes]));
      }
      return true;
    case kFormatFir:
      return readFir(body, listener);
    case kFormatApplication:
      return readRemb(body, listener);
    default:
      return true;
  }
}

/** @returns false where the body is too short for what its header says. */
bool readPacket(uint8_t type, uint8_t count, Bytes body, RtcpListener* listener) {
  switch (type) {
    case kSenderReport:
      return readReportBlocks(body, kSsrcBytes + kSenderInfoBytes, count, listener);
    case kReceiverReport:
      return readReportBlocks(body, kSsrcBytes, count, listener);
    case kBye:
      // A viewer that leaves says so over DTLS and signaling; the BYE is of SSRCs that it sends with.
      return body.size() >= count * kSsrcBytes;
    case kTransportFeedback:
      return readTransportLayer(count, body, listener);
    case kPayloadFeedback:
      return readPayloadSpecific(count, body, listener);
    default:
      return true;
  }
}

/** @param listener null to check only */
bool walk(Bytes compound, RtcpListener* listener) {
  size_t position = 0;
  while (position < compound.size()) {
    if (compound.size() - position < kHeaderBytes) {
      return false;
    }
    const uint8_t first = compound[position];
    const size_t packetBytes = (readU16(&compound[position + 2]) + size_t{1}) * 4;
    // Version 2 in the top two bits: RFC 3550 section 6.4.1.
    if (first >> 6 != 2 || packetBytes > compound.size() - position) {
      return false;
    }
    size_t bodyBytes = packetBytes - kHeaderBytes;
    if ((first & kPaddingBit) != 0) {
      const uint8_t paddingBytes = compound[position + packetBytes - 1];
      if (paddingBytes == 0 || paddingBytes > bodyBytes) {
        return false;
      }
      bodyBytes -= paddingBytes;
    }
    const Bytes body = compound.subspan(position + kHeaderBytes, bodyBytes);
    if (!readPacket(compound[position + 1], first & 0x1f, body, listener)) {
      return false;
    }
    position += packetBytes;
  }
  return position > 0;
}

}  // namespace

bool parseRtcp(Bytes compound, RtcpListener& listener) {
  return walk(compound, nullptr) && walk(compound, &listener);
}

}  // namespace streamkit
