#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>

#include "bytes.h"

namespace streamkit {

/**
 * AES-128-GCM under one key, by the functions of OpenSSL's provider itself (provider-cipher(7)). It is the
 * code that EVP calls; what EVP adds for each message, of which most is to look up parameters by their names,
 * costs as much as to encrypt some 200 bytes.
 */
class GcmSealer {
 public:
  static constexpr size_t kIvBytes = 12;
  static constexpr size_t kTagBytes = 16;

  /** Nothing where the provider has no such functions, or they fail: the caller falls back to EVP. */
  static std::optional<GcmSealer> create(std::span<const uint8_t, 16> key);

  /**
   * Encrypts the parts, one after the other, to `out`; the tag follows. @returns false where OpenSSL fails:
   * what was written is not to be used
   */
  bool seal(std::span<const uint8_t, kIvBytes> iv, std::initializer_list<Bytes> associated,
            std::initializer_list<Bytes> parts, uint8_t* out);
  /** Loads the context into the cache. */
  void prefetch() const;

 private:
  struct Free {
    void operator()(void* context) const;
  };

  explicit GcmSealer(void* context) : context_(context) {}

  std::unique_ptr<void, Free> context_;
};

}  // namespace streamkit
