#pragma once

#include <string_view>

#include "bytes.h"
#include "media_time.h"

namespace streamkit {

struct SenderReport {
  uint32_t ssrc = 0;
  /** The moment of the report, and the same moment in the RTP clock of the stream. */
  NtpTime ntp;
  uint32_t rtpTimestamp = 0;
  uint32_t packetsSent = 0;
  /** Payload bytes, without headers and padding. */
  uint32_t payloadBytesSent = 0;
};

/** Room that any compound built here fits in: the longest CNAME has 255 bytes. */
constexpr size_t kMaxBuiltRtcpBytes = 512;

/** A compound of SR and SDES CNAME: RFC 3550 section 6.1 wants the CNAME in every one. @returns its bytes */
size_t buildSenderReport(const SenderReport& report, std::string_view cname, MutableBytes out);

/** A compound of an empty RR, SDES CNAME and BYE for `ssrcs`, of which there are 1 to 31. @returns its bytes
 */
size_t buildBye(std::span<const uint32_t> ssrcs, std::string_view cname, MutableBytes out);

}  // namespace streamkit
