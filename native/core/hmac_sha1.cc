#include "hmac_sha1.h"

#include <openssl/core_names.h>

namespace streamkit {
namespace {

/** Fetching walks the provider's tables; one for the process is enough, and it is free of threads. */
EVP_MAC* hmacAlgorithm() {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  return algorithm;
}

}  // namespace

HmacSha1::HmacSha1(Bytes key) : context_(EVP_MAC_CTX_new(hmacAlgorithm())) {
  char digest[] = "SHA1";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                   OSSL_PARAM_construct_end()};
  // An empty key must not be null, or OpenSSL takes it for "the key of before".
  const uint8_t none = 0;
  if (context_ != nullptr &&
      EVP_MAC_init(context_.get(), key.empty() ? &none : key.data(), key.size(), parameters) != 1) {
    context_.reset();
  }
}

bool HmacSha1::compute(std::initializer_list<Bytes> parts, std::array<uint8_t, kBytes>& code) {
  if (context_ == nullptr || EVP_MAC_init(context_.get(), nullptr, 0, nullptr) != 1) {
    return false;
  }
  for (const Bytes part : parts) {
    if (EVP_MAC_update(context_.get(), part.data(), part.size()) != 1) {
      return false;
    }
  }
  size_t length = 0;
  return EVP_MAC_final(context_.get(), code.data(), &length, code.size()) == 1 && length == kBytes;
}

}  // namespace streamkit
