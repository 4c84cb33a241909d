#pragma once

#include <openssl/x509.h>

#include <optional>
#include <string_view>
#include <vector>

namespace streamkit {

/** What a peer's certificate must hash to: the fingerprints of its description (RFC 8122 section 5). */
class DtlsFingerprints {
 public:
  static constexpr size_t kMax = 8;

  /**
   * @param text one fingerprint per line as in SDP: the hash function, a space, bytes in hex between colons
   * @returns nothing if a line is malformed, there are too many, or none is of a known hash function:
   * SHA-256, SHA-384 or SHA-512
   */
  static std::optional<DtlsFingerprints> parse(std::string_view text);

  /** Whether the certificate has one of the fingerprints of the strongest hash function among them. */
  bool match(const X509* certificate) const;

 private:
  const EVP_MD* hash_ = nullptr;
  std::vector<std::vector<uint8_t>> digests_;
};

}  // namespace streamkit
