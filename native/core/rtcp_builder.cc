#include "rtcp_builder.h"

#include <algorithm>
#include <cstring>

namespace streamkit {
namespace {

// RFC 3550 sections 6.4 to 6.6.
constexpr uint8_t kVersion2 = 0x80;
constexpr uint8_t kTypeSenderReport = 200;
constexpr uint8_t kTypeReceiverReport = 201;
constexpr uint8_t kTypeSourceDescription = 202;
constexpr uint8_t kTypeBye = 203;
constexpr uint8_t kSdesCname = 1;
constexpr size_t kMaxCnameBytes = 255;
constexpr size_t kMaxByeSources = 31;

void writeHeader(uint8_t* at, size_t count, uint8_t type, size_t packetBytes) {
  at[0] = static_cast<uint8_t>(kVersion2 | count);
  at[1] = type;
  writeU16(at + 2, static_cast<uint16_t>(packetBytes / 4 - 1));
}

size_t writeCname(uint32_t ssrc, std::string_view cname, uint8_t* at) {
  const std::string_view text = cname.substr(0, kMaxCnameBytes);
  // The item list ends in one to four zero bytes, up to the next word.
  const size_t packetBytes = 8 + ((2 + text.size()) / 4 + 1) * 4;
  std::memset(at, 0, packetBytes);
  writeHeader(at, 1, kTypeSourceDescription, packetBytes);
  writeU32(at + 4, ssrc);
  at[8] = kSdesCname;
  at[9] = static_cast<uint8_t>(text.size());
  std::memcpy(at + 10, text.data(), text.size());
  return packetBytes;
}

}  // namespace

size_t buildSenderReport(const SenderReport& report, std::string_view cname, MutableBytes out) {
  constexpr size_t kReportBytes = 28;
  uint8_t* const at = out.data();
  writeHeader(at, 0, kTypeSenderReport, kReportBytes);
  writeU32(at + 4, report.ssrc);
  writeU32(at + 8, report.ntp.seconds);
  writeU32(at + 12, report.ntp.fraction);
  writeU32(at + 16, report.rtpTimestamp);
  writeU32(at + 20, report.packetsSent);
  writeU32(at + 24, report.payloadBytesSent);
  return kReportBytes + writeCname(report.ssrc, cname, at + kReportBytes);
}

size_t buildBye(std::span<const uint32_t> ssrcs, std::string_view cname, MutableBytes out) {
  const auto sources = ssrcs.first(std::min(ssrcs.size(), kMaxByeSources));
  uint8_t* at = out.data();
  writeHeader(at, 0, kTypeReceiverReport, 8);
  writeU32(at + 4, sources.front());
  at += 8;
  at += writeCname(sources.front(), cname, at);
  writeHeader(at, sources.size(), kTypeBye, 4 + sources.size() * 4);
  at += 4;
  for (const uint32_t ssrc : sources) {
    writeU32(at, ssrc);
    at += 4;
  }
  return static_cast<size_t>(at - out.data());
}

}  // namespace streamkit
