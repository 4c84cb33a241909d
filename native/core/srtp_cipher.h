#pragma once

#include <openssl/evp.h>

#include <initializer_list>
#include <memory>
#include <optional>

#include "bytes.h"
#include "gcm_sealer.h"
#include "hmac_sha1.h"
#include "prefetch.h"
#include "srtp_keys.h"

namespace streamkit {

/**
 * The two transforms under one set of session keys, in one direction. The cipher context is made once; a
 * packet only sets its IV. Everything is written to where the caller says, so that a payload shared by many
 * viewers is encrypted straight from its one copy into the send buffer of each.
 */
class SrtpCipher {
 public:
  enum class Direction { kSeal, kOpen };

  /** Nothing where OpenSSL fails. */
  static std::optional<SrtpCipher> create(SrtpProfile profile, const SrtpSessionKeys& keys,
                                          Direction direction);

  SrtpProfile profile() const { return profile_; }
  /** Bytes that a packet grows by: tag of GCM, truncated code of SHA1_80. */
  size_t tagBytes() const { return profile_ == SrtpProfile::kAeadAes128Gcm ? 16 : 10; }

  /**
   * Encrypts the parts, one after the other, to `out`; with GCM the tag follows.
   * @param ssrc, index 48-bit packet index of RTP (RFC 3711 section 3.3.1), or 31-bit index of SRTCP
   * @param associated authenticated by GCM only; SHA1_80 codes are made with `authenticate`
   */
  bool seal(uint32_t ssrc, uint64_t index, std::initializer_list<Bytes> associated,
            std::initializer_list<Bytes> parts, uint8_t* out);
  /** Decrypts in place or elsewhere; with GCM the tag is checked first to last: `out` is not to be used on
   * failure. */
  bool open(uint32_t ssrc, uint64_t index, std::initializer_list<Bytes> associated, Bytes sealed,
            const uint8_t* tag, uint8_t* out);

  /** RFC 3711 section 4.2: the first 10 bytes of the HMAC-SHA1. */
  bool authenticate(std::initializer_list<Bytes> parts, uint8_t* code);
  bool verify(std::initializer_list<Bytes> parts, const uint8_t* code);
  /** Loads the context into the cache, as far as it is known where it lies. */
  void prefetch() const {
    if (sealer_.has_value()) {
      sealer_->prefetch();
    } else {
      prefetchLines(context_.get(), 3 * kCacheLineBytes);
    }
  }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  SrtpCipher(SrtpProfile profile, const SrtpSessionKeys& keys, Direction direction);
  std::array<uint8_t, 16> ivOf(uint32_t ssrc, uint64_t index) const;
  bool begin(uint32_t ssrc, uint64_t index);

  SrtpProfile profile_;
  std::array<uint8_t, 14> salt_;
  /** Seals by GCM if it is there. */
  std::optional<GcmSealer> sealer_;
  /** Does everything else. */
  std::unique_ptr<EVP_CIPHER_CTX, Free> context_;
  std::optional<HmacSha1> hmac_;
};

}  // namespace streamkit
