#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "bytes.h"
#include "socket_address.h"

namespace streamkit {

enum class StunClass { kRequest, kIndication, kSuccess, kError };

using StunTransactionId = std::array<uint8_t, 12>;

/** A STUN message (RFC 5389) as far as demultiplexing and checking need it; its parts point into the
 * datagram. */
class StunMessage {
 public:
  /** Nothing where a length does not fit, or FINGERPRINT is there and wrong. */
  static std::optional<StunMessage> parse(Bytes datagram);

  StunClass messageClass() const { return class_; }
  bool isBinding() const { return method_ == 1; }
  const StunTransactionId& transactionId() const { return transactionId_; }
  /** Empty where absent. Of a request, "ufrag of the receiver:ufrag of the sender" (RFC 8445 section 7.2.2).
   */
  std::string_view username() const { return username_; }
  bool useCandidate() const { return useCandidate_; }
  /** The role that the sender of a request takes (RFC 8445 section 7.1.3). */
  bool iceControlling() const { return iceControlling_; }
  bool iceControlled() const { return iceControlled_; }
  /** It has a comprehension-required attribute that a binding request of ICE does not (RFC 8489 section 14).
   */
  bool hasUnknownAttribute() const { return hasUnknownAttribute_; }
  bool hasIntegrity() const { return integrityOffset_ != 0; }
  /** RFC 5389 section 15.4, with the short-term key: the password itself. False where there is none. */
  bool integrityMatches(std::string_view password) const;

 private:
  bool readAttributes();

  Bytes datagram_;
  StunClass class_ = StunClass::kRequest;
  uint16_t method_ = 0;
  StunTransactionId transactionId_{};
  std::string_view username_;
  bool useCandidate_ = false;
  bool iceControlling_ = false;
  bool iceControlled_ = false;
  bool hasUnknownAttribute_ = false;
  size_t integrityOffset_ = 0;
};

/** Room for any answer built here: header, IPv6 address, integrity, fingerprint. */
constexpr size_t kMaxBindingSuccessBytes = 20 + 24 + 24 + 8;

/**
 * The answer to an authentic binding request (RFC 8489 sections 14.2, 14.5 and 14.7): where it came from,
 * signed by the password that it was signed by.
 * @returns its bytes; 0 where OpenSSL fails
 */
size_t buildBindingSuccess(const StunMessage& request, const SocketAddress& from, std::string_view password,
                           std::span<uint8_t, kMaxBindingSuccessBytes> out);

/** Integrity and fingerprint. */
constexpr size_t kStunSignatureBytes = 24 + 8;

/**
 * Signs a binding request under an id.
 * @param request its header and attributes, without integrity and fingerprint
 * @param out has room for it and kStunSignatureBytes more
 * @returns its bytes; 0 where OpenSSL fails
 */
size_t signBindingRequest(Bytes request, const StunTransactionId& id, std::string_view password,
                          std::span<uint8_t> out);

}  // namespace streamkit
