#include "stun_message.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>

#include "byte_order.h"

namespace bench {

namespace {

// RFC 8489 section 5, 14 and 18; RFC 8445 section 16.
constexpr uint32_t kMagicCookie = 0x2112A442;
constexpr size_t kHeaderBytes = 20;
constexpr size_t kIntegrityBytes = 20;
constexpr uint32_t kFingerprintXor = 0x5354554e;
constexpr uint16_t kBindingRequest = 0x0001;
constexpr uint16_t kBindingSuccess = 0x0101;
constexpr uint16_t kUsername = 0x0006;
constexpr uint16_t kMessageIntegrity = 0x0008;
constexpr uint16_t kXorMappedAddress = 0x0020;
constexpr uint16_t kPriority = 0x0024;
constexpr uint16_t kUseCandidate = 0x0025;
constexpr uint16_t kFingerprint = 0x8028;
constexpr uint16_t kIceControlled = 0x8029;

uint32_t crc32(const uint8_t* data, size_t size) {
  static const auto table = [] {
    std::array<uint32_t, 256> values{};
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; bit++)
        value = value & 1 ? 0xEDB88320U ^ (value >> 1) : value >> 1;
      values[i] = value;
    }
    return values;
  }();
  uint32_t crc = 0xFFFFFFFFU;
  for (size_t i = 0; i < size; i++)
    crc = table[(crc ^ data[i]) & 0xFF] ^ (crc >> 8);
  return crc ^ 0xFFFFFFFFU;
}

void integrityOf(const uint8_t* data, size_t size, const std::string& password, uint8_t* digest) {
  unsigned int digestBytes = kIntegrityBytes;
  HMAC(EVP_sha1(), password.data(), static_cast<int>(password.size()), data, size, digest, &digestBytes);
}

class Writer {
 public:
  Writer(uint16_t type, const StunTransactionId& transactionId) : bytes_(kHeaderBytes) {
    writeU16(&bytes_[0], type);
    writeU32(&bytes_[4], kMagicCookie);
    std::memcpy(&bytes_[8], transactionId.data(), transactionId.size());
  }

  uint8_t* attribute(uint16_t type, size_t size) {
    const size_t at = bytes_.size();
    bytes_.resize(at + 4 + (size + 3) / 4 * 4);
    writeU16(&bytes_[at], type);
    writeU16(&bytes_[at + 2], static_cast<uint32_t>(size));
    writeU16(&bytes_[2], static_cast<uint32_t>(bytes_.size() - kHeaderBytes));
    return &bytes_[at + 4];
  }

  /** RFC 8489 section 14.5 and 14.7: each covers what stands before it, under a length that includes itself.
   */
  std::vector<uint8_t> finish(const std::string& password) {
    size_t before = bytes_.size();
    uint8_t* digest = attribute(kMessageIntegrity, kIntegrityBytes);
    integrityOf(bytes_.data(), before, password, digest);
    before = bytes_.size();
    uint8_t* crc = attribute(kFingerprint, 4);
    writeU32(crc, crc32(bytes_.data(), before) ^ kFingerprintXor);
    return std::move(bytes_);
  }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace

bool parseStun(const uint8_t* data, size_t size, const std::string& password, StunMessage& message) {
  if (size < kHeaderBytes || readU32(data + 4) != kMagicCookie || readU16(data + 2) + kHeaderBytes != size) {
    return false;
  }
  const uint16_t type = readU16(data);
  message.kind = type == kBindingRequest   ? StunKind::bindingRequest
                 : type == kBindingSuccess ? StunKind::bindingSuccess
                                           : StunKind::other;
  std::memcpy(message.transactionId.data(), data + 8, message.transactionId.size());
  for (size_t at = kHeaderBytes; at + 4 <= size;) {
    const uint16_t attribute = readU16(data + at);
    const size_t length = readU16(data + at + 2);
    const uint8_t* value = data + at + 4;
    if (at + 4 + length > size)
      return false;
    if (attribute == kUsername)
      message.username.assign(reinterpret_cast<const char*>(value), length);
    if (attribute == kUseCandidate)
      message.useCandidate = true;
    if (attribute == kMessageIntegrity) {
      if (length != kIntegrityBytes)
        return false;
      std::vector<uint8_t> covered(data, data + at);
      writeU16(&covered[2], static_cast<uint32_t>(at + 4 + kIntegrityBytes - kHeaderBytes));
      uint8_t digest[kIntegrityBytes];
      integrityOf(covered.data(), covered.size(), password, digest);
      return CRYPTO_memcmp(digest, value, kIntegrityBytes) == 0;
    }
    at += 4 + (length + 3) / 4 * 4;
  }
  return false;
}

std::vector<uint8_t> buildBindingRequest(const StunTransactionId& transactionId, const std::string& username,
                                         const std::string& password, uint32_t priority,
                                         uint64_t tieBreaker) {
  Writer writer(kBindingRequest, transactionId);
  std::memcpy(writer.attribute(kUsername, username.size()), username.data(), username.size());
  writeU32(writer.attribute(kPriority, 4), priority);
  uint8_t* controlled = writer.attribute(kIceControlled, 8);
  writeU32(controlled, static_cast<uint32_t>(tieBreaker >> 32));
  writeU32(controlled + 4, static_cast<uint32_t>(tieBreaker));
  return writer.finish(password);
}

std::vector<uint8_t> buildBindingSuccess(const StunTransactionId& transactionId, const sockaddr_in& mapped,
                                         const std::string& password) {
  Writer writer(kBindingSuccess, transactionId);
  uint8_t* value = writer.attribute(kXorMappedAddress, 8);
  value[0] = 0;
  value[1] = 1;
  writeU16(value + 2, ntohs(mapped.sin_port) ^ (kMagicCookie >> 16));
  writeU32(value + 4, ntohl(mapped.sin_addr.s_addr) ^ kMagicCookie);
  return writer.finish(password);
}

}  // namespace bench
