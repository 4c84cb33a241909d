#pragma once

#include <optional>
#include <string_view>

#include "srtp_cipher.h"

namespace streamkit {

/** What one viewer is sent: SRTP and SRTCP under our master key. */
class SrtpSender {
 public:
  /** Nothing where OpenSSL fails. */
  static std::optional<SrtpSender> create(SrtpProfile profile, const SrtpMasterKey& master);

  /** Bytes that an RTP packet grows by. */
  size_t rtpOverheadBytes() const { return rtp_.tagBytes(); }
  /** Bytes that an RTCP compound grows by: index word and tag. */
  size_t rtcpOverheadBytes() const { return 4 + rtcp_.tagBytes(); }

  /**
   * Encrypts the parts, one after the other, behind the header that `packet` begins with, and appends the
   * tag.
   * @param packet has room for `headerBytes + parts + rtpOverheadBytes()`
   * @param index 48-bit packet index: the roll-over counter, then the sequence number. Never twice for one
   * SSRC.
   */
  bool protectRtp(uint8_t* packet, size_t headerBytes, uint32_t ssrc, uint64_t index,
                  std::initializer_list<Bytes> parts);

  /** @param out has room for `compound.size() + rtcpOverheadBytes()`; compound has at least 8 bytes */
  bool protectRtcp(Bytes compound, uint8_t* out);

  void prefetch() const { rtp_.prefetch(); }

 private:
  SrtpSender(SrtpCipher rtp, SrtpCipher rtcp) : rtp_(std::move(rtp)), rtcp_(std::move(rtcp)) {}

  SrtpCipher rtp_;
  SrtpCipher rtcp_;
  uint32_t rtcpIndex_ = 0;
};

}  // namespace streamkit
