#include "stun_message_builder.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

namespace streamkit::test {
namespace {

// RFC 8489 sections 5 and 14.
constexpr size_t kHeaderBytes = 20;
constexpr size_t kAttributeHeaderBytes = 4;
constexpr size_t kCodeBytes = 20;
constexpr uint32_t kMagicCookie = 0x2112a442;
constexpr uint16_t kAttributeUsername = 0x0006;
constexpr uint16_t kAttributeIntegrity = 0x0008;
constexpr uint16_t kAttributeUseCandidate = 0x0025;
constexpr uint16_t kAttributeFingerprint = 0x8028;
constexpr uint16_t kAttributeIceControlled = 0x8029;
constexpr uint16_t kAttributeIceControlling = 0x802a;
constexpr std::array<uint8_t, 8> kTieBreaker{};
constexpr uint32_t kFingerprintXor = 0x5354554e;

uint32_t crc32(Bytes bytes) {
  uint32_t crc = 0xffffffff;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; bit += 1) {
      crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
  }
  return ~crc;
}

}  // namespace

StunMessageBuilder::StunMessageBuilder(StunClass messageClass, const StunTransactionId& transactionId)
    : bytes_(kHeaderBytes) {
  const unsigned classBits = static_cast<unsigned>(messageClass);
  writeU16(&bytes_[0], static_cast<uint16_t>(1u | (classBits & 2) << 7 | (classBits & 1) << 4));
  writeU32(&bytes_[4], kMagicCookie);
  std::copy(transactionId.begin(), transactionId.end(), bytes_.begin() + 8);
}

StunMessageBuilder& StunMessageBuilder::attribute(uint16_t type, Bytes value) {
  const size_t at = bytes_.size();
  bytes_.resize(at + kAttributeHeaderBytes + (value.size() + 3) / 4 * 4);
  writeU16(&bytes_[at], type);
  writeU16(&bytes_[at + 2], static_cast<uint16_t>(value.size()));
  std::copy(value.begin(), value.end(),
            bytes_.begin() + static_cast<std::ptrdiff_t>(at + kAttributeHeaderBytes));
  setLength(bytes_.size() - kHeaderBytes);
  return *this;
}

StunMessageBuilder& StunMessageBuilder::username(std::string_view value) {
  return attribute(kAttributeUsername, Bytes(reinterpret_cast<const uint8_t*>(value.data()), value.size()));
}

StunMessageBuilder& StunMessageBuilder::useCandidate() {
  return attribute(kAttributeUseCandidate, {});
}

StunMessageBuilder& StunMessageBuilder::iceControlled() {
  return attribute(kAttributeIceControlled, kTieBreaker);
}

StunMessageBuilder& StunMessageBuilder::iceControlling() {
  return attribute(kAttributeIceControlling, kTieBreaker);
}

StunMessageBuilder& StunMessageBuilder::integrity(std::string_view password) {
  // Under a length that ends with the attribute itself.
  setLength(bytes_.size() - kHeaderBytes + kAttributeHeaderBytes + kCodeBytes);
  std::array<uint8_t, kCodeBytes> code{};
  HMAC(EVP_sha1(), password.data(), static_cast<int>(password.size()), bytes_.data(), bytes_.size(),
       code.data(), nullptr);
  return attribute(kAttributeIntegrity, code);
}

StunMessageBuilder& StunMessageBuilder::fingerprint() {
  setLength(bytes_.size() - kHeaderBytes + kAttributeHeaderBytes + 4);
  std::array<uint8_t, 4> value;
  writeU32(value.data(), crc32(bytes_) ^ kFingerprintXor);
  return attribute(kAttributeFingerprint, value);
}

void StunMessageBuilder::setLength(size_t attributeBytes) {
  writeU16(&bytes_[2], static_cast<uint16_t>(attributeBytes));
}

std::vector<uint8_t> nominatingRequest(const StunTransactionId& id, std::string_view username,
                                       std::string_view password) {
  StunMessageBuilder request(StunClass::kRequest, id);
  return request.username(username).useCandidate().integrity(password).fingerprint().bytes();
}

std::vector<uint8_t> authenticResponse(const StunTransactionId& id, std::string_view password) {
  return StunMessageBuilder(StunClass::kSuccess, id).integrity(password).fingerprint().bytes();
}

}  // namespace streamkit::test
