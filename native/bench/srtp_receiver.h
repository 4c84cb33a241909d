#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dtls_client.h"

namespace bench {

/**
 * A viewer's end of SRTP and SRTCP with AEAD_AES_128_GCM (RFC 7714): opens RTP and RTCP, seals RTCP. On
 * purpose it shares no code with the plane that it measures.
 */
class SrtpReceiver {
 public:
  explicit SrtpReceiver(const SrtpKeys& keys);
  ~SrtpReceiver();
  SrtpReceiver(const SrtpReceiver&) = delete;
  SrtpReceiver& operator=(const SrtpReceiver&) = delete;

  /**
   * @param headerBytes - of the RTP header with its extensions.
   * @param payload - room for `size` bytes.
   * @return bytes of the payload, without padding, or -1 where the packet is not authentic.
   */
  int openRtp(const uint8_t* packet, size_t size, size_t headerBytes, uint32_t rollOver, uint8_t* payload);

  /** @return whether the compound is authentic; it is opened in place and `size` shrinks to it. */
  bool openRtcp(uint8_t* packet, size_t& size);

  /** Seals a compound and appends the tag and the index. */
  void sealRtcp(std::vector<uint8_t>& compound);

 private:
  using Key = std::array<uint8_t, 16>;
  using Salt = std::array<uint8_t, 12>;

  EVP_CIPHER_CTX* rtp_;
  EVP_CIPHER_CTX* rtcpIn_;
  EVP_CIPHER_CTX* rtcpOut_;
  Salt rtpSalt_{};
  Salt rtcpInSalt_{};
  Salt rtcpOutSalt_{};
  uint32_t rtcpIndex_ = 0;
};

}  // namespace bench
