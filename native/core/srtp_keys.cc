#include "srtp_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <memory>

namespace streamkit {
namespace {

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

/** RFC 3711 section 4.3.3: AES in counter mode over (label XOR salt) * 2^16. */
bool derive(const SrtpMasterKey& master, uint8_t label, MutableBytes out) {
  std::array<uint8_t, 16> counter{};
  std::copy(master.salt.begin(), master.salt.end(), counter.begin());
  // Section 4.3.1: the label is followed by a 48-bit index, which is zero; its byte is the eighth of the
  // salt's 14.
  counter[7] ^= label;
  const std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> context(EVP_CIPHER_CTX_new());
  std::fill(out.begin(), out.end(), uint8_t{0});
  int written = 0;
  return context != nullptr &&
         EVP_EncryptInit_ex(context.get(), EVP_aes_128_ctr(), nullptr, master.key.data(), counter.data()) ==
             1 &&
         EVP_EncryptUpdate(context.get(), out.data(), &written, out.data(), static_cast<int>(out.size())) ==
             1;
}

}  // namespace

SrtpMasterKey::~SrtpMasterKey() {
  OPENSSL_cleanse(key.data(), key.size());
  OPENSSL_cleanse(salt.data(), salt.size());
}

SrtpSessionKeys::~SrtpSessionKeys() {
  OPENSSL_cleanse(encryption.data(), encryption.size());
  OPENSSL_cleanse(authentication.data(), authentication.size());
  OPENSSL_cleanse(salt.data(), salt.size());
}

std::optional<SrtpSessionKeys> deriveSessionKeys(const SrtpMasterKey& master, SrtpStream stream) {
  // RFC 3711 section 4.3.2: labels 0 to 2 are of SRTP, 3 to 5 of SRTCP.
  const uint8_t label = stream == SrtpStream::kRtp ? 0 : 3;
  SrtpSessionKeys keys;
  if (!derive(master, label, keys.encryption) ||
      !derive(master, static_cast<uint8_t>(label + 1), keys.authentication) ||
      !derive(master, static_cast<uint8_t>(label + 2), keys.salt)) {
    return std::nullopt;
  }
  return keys;
}

}  // namespace streamkit
