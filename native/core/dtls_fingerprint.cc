#include "dtls_fingerprint.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace streamkit {
namespace {

int digitOf(char letter) {
  if (letter >= '0' && letter <= '9') {
    return letter - '0';
  }
  if (letter >= 'a' && letter <= 'f') {
    return letter - 'a' + 10;
  }
  if (letter >= 'A' && letter <= 'F') {
    return letter - 'A' + 10;
  }
  return -1;
}

/** Null if it is not known. SHA-1 is not: RFC 8122 section 5 leaves it to those who have nothing better. */
const EVP_MD* hashOf(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char letter) { return letter >= 'A' && letter <= 'Z' ? letter + 32 : letter; });
  if (lower == "sha-256") {
    return EVP_sha256();
  }
  if (lower == "sha-384") {
    return EVP_sha384();
  }
  if (lower == "sha-512") {
    return EVP_sha512();
  }
  return nullptr;
}

/** Nothing unless it is that many bytes. */
std::optional<std::vector<uint8_t>> bytesOf(std::string_view hex, size_t bytes) {
  if (hex.size() != bytes * 3 - 1) {
    return std::nullopt;
  }
  std::vector<uint8_t> result;
  for (size_t at = 0; at < hex.size(); at += 3) {
    const int high = digitOf(hex[at]);
    const int low = digitOf(hex[at + 1]);
    if (high < 0 || low < 0 || (at + 2 < hex.size() && hex[at + 2] != ':')) {
      return std::nullopt;
    }
    result.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return result;
}

}  // namespace

std::optional<DtlsFingerprints> DtlsFingerprints::parse(std::string_view text) {
  DtlsFingerprints parsed;
  for (size_t lines = 0; !text.empty(); lines += 1) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t space = line.find(' ');
    if (lines >= kMax || space == std::string_view::npos) {
      return std::nullopt;
    }
    const EVP_MD* const hash = hashOf(line.substr(0, space));
    if (hash == nullptr) {
      continue;
    }
    auto digest = bytesOf(line.substr(space + 1), static_cast<size_t>(EVP_MD_get_size(hash)));
    if (!digest.has_value()) {
      return std::nullopt;
    }
    if (parsed.hash_ == nullptr || EVP_MD_get_size(hash) > EVP_MD_get_size(parsed.hash_)) {
      parsed.hash_ = hash;
      parsed.digests_.clear();
    }
    if (hash == parsed.hash_) {
      parsed.digests_.push_back(std::move(*digest));
    }
  }
  if (parsed.hash_ == nullptr) {
    return std::nullopt;
  }
  return parsed;
}

bool DtlsFingerprints::match(const X509* certificate) const {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (certificate == nullptr || X509_digest(certificate, hash_, digest, &size) != 1) {
    return false;
  }
  return std::any_of(digests_.begin(), digests_.end(), [&](const std::vector<uint8_t>& expected) {
    return std::equal(expected.begin(), expected.end(), digest, digest + size);
  });
}

}  // namespace streamkit
