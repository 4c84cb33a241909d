#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bytes.h"

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
  /** Its sender is the controlled agent of RFC 8445. */
  bool iceControlled() const { return iceControlled_; }
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
  bool iceControlled_ = false;
  size_t integrityOffset_ = 0;
};

/** Builds messages: for tests, fuzz corpora and load generators; the server's own come from its ICE agent. */
class StunMessageBuilder {
 public:
  StunMessageBuilder(StunClass messageClass, const StunTransactionId& transactionId);
  StunMessageBuilder& attribute(uint16_t type, Bytes value);
  StunMessageBuilder& username(std::string_view value);
  StunMessageBuilder& useCandidate();
  StunMessageBuilder& iceControlled();
  StunMessageBuilder& integrity(std::string_view password);
  StunMessageBuilder& fingerprint();
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  void setLength(size_t attributeBytes);

  std::vector<uint8_t> bytes_;
};

}  // namespace streamkit
