#include "stun_message.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "hmac_sha1.h"

namespace streamkit {
namespace {

// RFC 5389 sections 6 and 15.
constexpr size_t kHeaderBytes = 20;
constexpr size_t kAttributeHeaderBytes = 4;
constexpr uint32_t kMagicCookie = 0x2112a442;
constexpr uint16_t kAttributeUsername = 0x0006;
constexpr uint16_t kAttributeIntegrity = 0x0008;
constexpr uint16_t kAttributeUseCandidate = 0x0025;
constexpr uint16_t kAttributeIceControlled = 0x8029;
constexpr uint16_t kAttributeFingerprint = 0x8028;
constexpr uint32_t kFingerprintXor = 0x5354554e;

uint32_t crc32(Bytes bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> built{};
    for (uint32_t i = 0; i < built.size(); i += 1) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; bit += 1) {
        value = (value & 1) != 0 ? value >> 1 ^ 0xedb88320u : value >> 1;
      }
      built[i] = value;
    }
    return built;
  }();
  uint32_t crc = 0xffffffff;
  for (const uint8_t byte : bytes) {
    crc = table[(crc ^ byte) & 0xff] ^ crc >> 8;
  }
  return ~crc;
}

/**
 * The code covers the message up to the attribute, under a length that ends with it (RFC 5389 section 15.4):
 * so the header is hashed from a copy.
 */
bool integrityOf(Bytes messageBefore, std::string_view password,
                 std::array<uint8_t, HmacSha1::kBytes>& code) {
  std::array<uint8_t, kHeaderBytes> header;
  std::copy_n(messageBefore.begin(), kHeaderBytes, header.begin());
  const size_t length = messageBefore.size() - kHeaderBytes + kAttributeHeaderBytes + HmacSha1::kBytes;
  writeU16(&header[2], static_cast<uint16_t>(length));
  HmacSha1 hmac(Bytes(reinterpret_cast<const uint8_t*>(password.data()), password.size()));
  return hmac.compute({header, messageBefore.subspan(kHeaderBytes)}, code);
}

}  // namespace

std::optional<StunMessage> StunMessage::parse(Bytes datagram) {
  if (datagram.size() < kHeaderBytes || datagram.size() % 4 != 0 || datagram[0] > 3 ||
      readU32(&datagram[4]) != kMagicCookie || readU16(&datagram[2]) != datagram.size() - kHeaderBytes) {
    return std::nullopt;
  }
  StunMessage message;
  message.datagram_ = datagram;
  const uint16_t type = readU16(&datagram[0]);
  // RFC 5389 section 6: the two class bits lie between the twelve of the method.
  message.class_ = static_cast<StunClass>((type >> 7 & 2) | (type >> 4 & 1));
  message.method_ = static_cast<uint16_t>((type & 0x000f) | (type & 0x00e0) >> 1 | (type & 0x3e00) >> 2);
  std::copy_n(datagram.begin() + 8, message.transactionId_.size(), message.transactionId_.begin());
  return message.readAttributes() ? std::optional(message) : std::nullopt;
}

bool StunMessage::readAttributes() {
  for (size_t at = kHeaderBytes; at < datagram_.size();) {
    if (datagram_.size() - at < kAttributeHeaderBytes) {
      return false;
    }
    const uint16_t type = readU16(&datagram_[at]);
    const size_t length = readU16(&datagram_[at + 2]);
    const size_t valueOffset = at + kAttributeHeaderBytes;
    const size_t paddedLength = (length + 3) / 4 * 4;
    if (datagram_.size() - valueOffset < paddedLength) {
      return false;
    }
    const Bytes value = datagram_.subspan(valueOffset, length);
    if (type == kAttributeFingerprint) {
      // Section 15.5: it is the last attribute.
      return length == 4 && valueOffset + length == datagram_.size() &&
             readU32(value.data()) == (crc32(datagram_.first(at)) ^ kFingerprintXor);
    }
    // Section 15.4: what follows the integrity is not covered by it and is to be ignored.
    if (integrityOffset_ == 0) {
      if (type == kAttributeIntegrity) {
        if (length != HmacSha1::kBytes) {
          return false;
        }
        integrityOffset_ = at;
      } else if (type == kAttributeUsername) {
        username_ = std::string_view(reinterpret_cast<const char*>(value.data()), value.size());
      } else if (type == kAttributeUseCandidate) {
        useCandidate_ = true;
      } else if (type == kAttributeIceControlled) {
        iceControlled_ = true;
      }
    }
    at = valueOffset + paddedLength;
  }
  return true;
}

bool StunMessage::integrityMatches(std::string_view password) const {
  std::array<uint8_t, HmacSha1::kBytes> code;
  return integrityOffset_ != 0 && integrityOf(datagram_.first(integrityOffset_), password, code) &&
         CRYPTO_memcmp(code.data(), &datagram_[integrityOffset_ + kAttributeHeaderBytes], code.size()) == 0;
}

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

StunMessageBuilder& StunMessageBuilder::iceControlled() {
  constexpr std::array<uint8_t, 8> kTieBreaker{};
  return attribute(kAttributeIceControlled, kTieBreaker);
}

StunMessageBuilder& StunMessageBuilder::useCandidate() {
  return attribute(kAttributeUseCandidate, {});
}

StunMessageBuilder& StunMessageBuilder::integrity(std::string_view password) {
  std::array<uint8_t, HmacSha1::kBytes> code{};
  integrityOf(bytes_, password, code);
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

}  // namespace streamkit
