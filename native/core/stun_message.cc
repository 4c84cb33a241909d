#include "stun_message.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "hmac_sha1.h"
#include "stun_attributes.h"

namespace streamkit {
namespace {

// RFC 5389 section 15.
constexpr uint16_t kAttributeUsername = 0x0006;
constexpr uint16_t kAttributeIntegrity = 0x0008;
constexpr uint16_t kAttributeXorMappedAddress = 0x0020;
constexpr uint16_t kAttributePriority = 0x0024;
constexpr uint16_t kAttributeUseCandidate = 0x0025;
/** RFC 8489 section 14: what is below may not be passed over. */
constexpr uint16_t kFirstOptionalAttribute = 0x8000;
constexpr uint16_t kAttributeFingerprint = 0x8028;
constexpr uint16_t kAttributeIceControlled = 0x8029;
constexpr uint16_t kAttributeIceControlling = 0x802a;
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
  std::array<uint8_t, kStunHeaderBytes> header;
  std::copy_n(messageBefore.begin(), kStunHeaderBytes, header.begin());
  const size_t length =
      messageBefore.size() - kStunHeaderBytes + kStunAttributeHeaderBytes + HmacSha1::kBytes;
  writeU16(&header[2], static_cast<uint16_t>(length));
  HmacSha1 hmac(Bytes(reinterpret_cast<const uint8_t*>(password.data()), password.size()));
  return hmac.compute({header, messageBefore.subspan(kStunHeaderBytes)}, code);
}

size_t writeAttributeHeader(std::span<uint8_t> out, size_t at, uint16_t type, size_t length) {
  writeU16(&out[at], type);
  writeU16(&out[at + 2], static_cast<uint16_t>(length));
  return at + kStunAttributeHeaderBytes;
}

/** Appends integrity and fingerprint to the message of `bytes` that `out` begins with. @returns its bytes; 0
 * where OpenSSL fails */
size_t sign(std::span<uint8_t> out, size_t bytes, std::string_view password) {
  std::array<uint8_t, HmacSha1::kBytes> code;
  if (!integrityOf(out.first(bytes), password, code)) {
    return 0;
  }
  size_t at = writeAttributeHeader(out, bytes, kAttributeIntegrity, code.size());
  std::copy(code.begin(), code.end(), &out[at]);
  at += code.size();
  // RFC 8489 section 14.7: the length counts the fingerprint already.
  writeU16(&out[2], static_cast<uint16_t>(at - kStunHeaderBytes + kStunAttributeHeaderBytes + 4));
  const uint32_t fingerprint = crc32(out.first(at)) ^ kFingerprintXor;
  at = writeAttributeHeader(out, at, kAttributeFingerprint, 4);
  writeU32(&out[at], fingerprint);
  return at + 4;
}

}  // namespace

std::optional<StunMessage> StunMessage::parse(Bytes datagram) {
  if (!hasStunHeader(datagram)) {
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
  return forEachAttribute(datagram_, [this](uint16_t type, size_t at, Bytes value) {
    if (type == kAttributeFingerprint) {
      // Section 15.5: it is the last attribute.
      return value.size() == 4 && at + kStunAttributeHeaderBytes + 4 == datagram_.size() &&
             readU32(value.data()) == (crc32(datagram_.first(at)) ^ kFingerprintXor);
    }
    // Section 15.4: what follows the integrity is not covered by it and is to be ignored.
    if (integrityOffset_ != 0) {
      return true;
    }
    if (type == kAttributeIntegrity) {
      integrityOffset_ = at;
      return value.size() == HmacSha1::kBytes;
    }
    if (type == kAttributeUsername) {
      username_ = std::string_view(reinterpret_cast<const char*>(value.data()), value.size());
    } else if (type == kAttributeUseCandidate) {
      useCandidate_ = true;
    } else if (type == kAttributeIceControlling) {
      iceControlling_ = true;
    } else if (type == kAttributeIceControlled) {
      iceControlled_ = true;
    } else if (type < kFirstOptionalAttribute && type != kAttributePriority) {
      hasUnknownAttribute_ = true;
    }
    return true;
  });
}

bool StunMessage::integrityMatches(std::string_view password) const {
  std::array<uint8_t, HmacSha1::kBytes> code;
  return integrityOffset_ != 0 && integrityOf(datagram_.first(integrityOffset_), password, code) &&
         CRYPTO_memcmp(code.data(), &datagram_[integrityOffset_ + kStunAttributeHeaderBytes], code.size()) ==
             0;
}

size_t buildBindingSuccess(const StunMessage& request, const SocketAddress& from, std::string_view password,
                           std::span<uint8_t, kMaxBindingSuccessBytes> out) {
  constexpr uint16_t kBindingSuccess = 0x0101;
  const auto& id = request.transactionId();
  writeU16(&out[0], kBindingSuccess);
  writeU32(&out[4], kStunMagicCookie);
  std::copy(id.begin(), id.end(), &out[8]);
  const Bytes ip = from.ip();
  const size_t at = writeAttributeHeader(out, kStunHeaderBytes, kAttributeXorMappedAddress, 4 + ip.size());
  // RFC 8489 section 14.2: XOR of the cookie, and of the transaction id for what is longer.
  out[at] = 0;
  out[at + 1] = from.isIpv6() ? 2 : 1;
  writeU16(&out[at + 2], static_cast<uint16_t>(from.port() ^ (kStunMagicCookie >> 16)));
  for (size_t i = 0; i < ip.size(); i += 1) {
    out[at + 4 + i] = ip[i] ^ out[4 + i];
  }
  return sign(out, at + 4 + ip.size(), password);
}

size_t signBindingRequest(Bytes request, const StunTransactionId& id, std::string_view password,
                          std::span<uint8_t> out) {
  std::copy(request.begin(), request.end(), out.begin());
  std::copy(id.begin(), id.end(), &out[8]);
  return sign(out, request.size(), password);
}

}  // namespace streamkit
