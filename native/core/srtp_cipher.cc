#include "srtp_cipher.h"

#include <openssl/crypto.h>

#include <cstring>

namespace streamkit {
namespace {

constexpr int kGcmTagBytes = 16;
constexpr size_t kCodeBytes = 10;

}  // namespace

std::optional<SrtpCipher> SrtpCipher::create(SrtpProfile profile, const SrtpSessionKeys& keys,
                                             Direction direction) {
  SrtpCipher cipher(profile, keys, direction);
  if (cipher.context_ == nullptr && !cipher.sealer_.has_value()) {
    return std::nullopt;
  }
  return cipher;
}

SrtpCipher::SrtpCipher(SrtpProfile profile, const SrtpSessionKeys& keys, Direction direction)
    : profile_(profile), salt_(keys.salt) {
  const bool gcm = profile == SrtpProfile::kAeadAes128Gcm;
  if (gcm && direction == Direction::kSeal) {
    sealer_ = GcmSealer::create(keys.encryption);
    if (sealer_.has_value()) {
      return;
    }
  }
  context_.reset(EVP_CIPHER_CTX_new());
  // Counter mode is its own inverse.
  const int encrypt = !gcm || direction == Direction::kSeal ? 1 : 0;
  if (context_ != nullptr && EVP_CipherInit_ex(context_.get(), gcm ? EVP_aes_128_gcm() : EVP_aes_128_ctr(),
                                               nullptr, keys.encryption.data(), nullptr, encrypt) != 1) {
    context_.reset();
  }
  if (!gcm) {
    hmac_.emplace(keys.authentication);
  }
}

std::array<uint8_t, 16> SrtpCipher::ivOf(uint32_t ssrc, uint64_t index) const {
  std::array<uint8_t, 16> iv{};
  if (profile_ == SrtpProfile::kAeadAes128Gcm) {
    // RFC 7714 sections 8.1 and 9.1: two zero bytes, SSRC, and the index in six bytes; of SRTCP it has 31
    // bits.
    writeU32(&iv[2], ssrc);
    writeU16(&iv[6], static_cast<uint16_t>(index >> 32));
    writeU32(&iv[8], static_cast<uint32_t>(index));
    for (size_t i = 0; i < 12; i += 1) {
      iv[i] ^= salt_[i];
    }
  } else {
    // RFC 3711 section 4.1.1: (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16).
    writeU32(&iv[4], ssrc);
    writeU16(&iv[8], static_cast<uint16_t>(index >> 32));
    writeU32(&iv[10], static_cast<uint32_t>(index));
    for (size_t i = 0; i < salt_.size(); i += 1) {
      iv[i] ^= salt_[i];
    }
  }
  return iv;
}

bool SrtpCipher::begin(uint32_t ssrc, uint64_t index) {
  const auto iv = ivOf(ssrc, index);
  return EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, iv.data(), -1) == 1;
}

bool SrtpCipher::seal(uint32_t ssrc, uint64_t index, std::initializer_list<Bytes> associated,
                      std::initializer_list<Bytes> parts, uint8_t* out) {
  if (sealer_.has_value()) {
    const auto iv = ivOf(ssrc, index);
    return sealer_->seal(std::span(iv).first<GcmSealer::kIvBytes>(), associated, parts, out);
  }
  if (!begin(ssrc, index)) {
    return false;
  }
  const bool gcm = profile_ == SrtpProfile::kAeadAes128Gcm;
  int written = 0;
  if (gcm) {
    for (const Bytes part : associated) {
      if (EVP_EncryptUpdate(context_.get(), nullptr, &written, part.data(), static_cast<int>(part.size())) !=
          1) {
        return false;
      }
    }
  }
  for (const Bytes part : parts) {
    if (part.empty()) {
      continue;
    }
    if (EVP_EncryptUpdate(context_.get(), out, &written, part.data(), static_cast<int>(part.size())) != 1) {
      return false;
    }
    out += written;
  }
  if (!gcm) {
    return true;
  }
  return EVP_EncryptFinal_ex(context_.get(), out, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagBytes, out) == 1;
}

bool SrtpCipher::open(uint32_t ssrc, uint64_t index, std::initializer_list<Bytes> associated, Bytes sealed,
                      const uint8_t* tag, uint8_t* out) {
  if (!begin(ssrc, index)) {
    return false;
  }
  int written = 0;
  if (profile_ != SrtpProfile::kAeadAes128Gcm) {
    return sealed.empty() || EVP_CipherUpdate(context_.get(), out, &written, sealed.data(),
                                              static_cast<int>(sealed.size())) == 1;
  }
  std::array<uint8_t, kGcmTagBytes> expected;
  std::memcpy(expected.data(), tag, expected.size());
  if (EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTagBytes, expected.data()) != 1) {
    return false;
  }
  for (const Bytes part : associated) {
    if (EVP_CipherUpdate(context_.get(), nullptr, &written, part.data(), static_cast<int>(part.size())) !=
        1) {
      return false;
    }
  }
  if (!sealed.empty() &&
      EVP_CipherUpdate(context_.get(), out, &written, sealed.data(), static_cast<int>(sealed.size())) != 1) {
    return false;
  }
  // GCM writes nothing at its end, but wants somewhere to write it.
  std::array<uint8_t, 16> rest;
  return EVP_CipherFinal_ex(context_.get(), rest.data(), &written) == 1;
}

bool SrtpCipher::authenticate(std::initializer_list<Bytes> parts, uint8_t* code) {
  std::array<uint8_t, HmacSha1::kBytes> full;
  if (!hmac_.has_value() || !hmac_->compute(parts, full)) {
    return false;
  }
  std::memcpy(code, full.data(), kCodeBytes);
  return true;
}

bool SrtpCipher::verify(std::initializer_list<Bytes> parts, const uint8_t* code) {
  std::array<uint8_t, kCodeBytes> expected;
  return authenticate(parts, expected.data()) && CRYPTO_memcmp(expected.data(), code, expected.size()) == 0;
}

}  // namespace streamkit
