#pragma once

#include <openssl/evp.h>

#include <array>
#include <initializer_list>
#include <memory>

#include "bytes.h"

namespace streamkit {

/** HMAC-SHA1 (RFC 2104) under one key; the context is kept, so that a message costs no allocation. */
class HmacSha1 {
 public:
  static constexpr size_t kBytes = 20;

  explicit HmacSha1(Bytes key);

  /** The code of the parts, one after the other; false where OpenSSL fails. */
  bool compute(std::initializer_list<Bytes> parts, std::array<uint8_t, kBytes>& code);

 private:
  struct Free {
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  };
  std::unique_ptr<EVP_MAC_CTX, Free> context_;
};

}  // namespace streamkit
