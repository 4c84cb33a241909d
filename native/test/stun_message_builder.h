#pragma once

#include <string_view>
#include <vector>

#include "core/stun_message.h"

namespace streamkit::test {

/** Builds what a viewer sends, and what the server's ICE agent does. Its codes are its own, not those of the
 * parser. */
class StunMessageBuilder {
 public:
  StunMessageBuilder(StunClass messageClass, const StunTransactionId& transactionId);
  StunMessageBuilder& attribute(uint16_t type, Bytes value);
  StunMessageBuilder& username(std::string_view value);
  StunMessageBuilder& useCandidate();
  /** The sender's role, with a tie-breaker of zeros. */
  StunMessageBuilder& iceControlled();
  StunMessageBuilder& iceControlling();
  StunMessageBuilder& integrity(std::string_view password);
  StunMessageBuilder& fingerprint();
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  void setLength(size_t attributeBytes);

  std::vector<uint8_t> bytes_;
};

/** What nominates a pair: the server's request with USE-CANDIDATE, and the viewer's answer. */
std::vector<uint8_t> nominatingRequest(const StunTransactionId& id, std::string_view username,
                                       std::string_view password);
std::vector<uint8_t> authenticResponse(const StunTransactionId& id, std::string_view password);

}  // namespace streamkit::test
