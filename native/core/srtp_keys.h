#pragma once

#include <array>
#include <optional>

#include "bytes.h"

namespace streamkit {

/** By the numbers of RFC 5764 section 4.1.2 and RFC 7714 section 14.2. */
enum class SrtpProfile : uint8_t { kAes128CmSha1_80 = 1, kAeadAes128Gcm = 7 };

constexpr size_t kSrtpKeyBytes = 16;
/** RFC 7714 section 12 and RFC 3711 section 8.2. */
constexpr size_t srtpSaltBytes(SrtpProfile profile) {
  return profile == SrtpProfile::kAeadAes128Gcm ? 12 : 14;
}

/** A direction's master key and salt. */
struct SrtpMasterKey {
  std::array<uint8_t, kSrtpKeyBytes> key{};
  /** 14 bytes; the GCM profile uses the first 12, the rest is zero. */
  std::array<uint8_t, 14> salt{};

  SrtpMasterKey() = default;
  SrtpMasterKey(const SrtpMasterKey&) = default;
  SrtpMasterKey& operator=(const SrtpMasterKey&) = default;
  /** Wipes. */
  ~SrtpMasterKey();
};

/** Session keys of SRTP or of SRTCP: RFC 3711 section 4.3, with a key derivation rate of zero. */
struct SrtpSessionKeys {
  std::array<uint8_t, kSrtpKeyBytes> encryption{};
  std::array<uint8_t, 20> authentication{};
  std::array<uint8_t, 14> salt{};

  SrtpSessionKeys() = default;
  SrtpSessionKeys(const SrtpSessionKeys&) = default;
  SrtpSessionKeys& operator=(const SrtpSessionKeys&) = default;
  /** Wipes. */
  ~SrtpSessionKeys();
};

enum class SrtpStream { kRtp, kRtcp };

/** Nothing where OpenSSL fails. */
std::optional<SrtpSessionKeys> deriveSessionKeys(const SrtpMasterKey& master, SrtpStream stream);

}  // namespace streamkit
