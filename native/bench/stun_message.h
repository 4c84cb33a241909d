#pragma once

#include <netinet/in.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

using StunTransactionId = std::array<uint8_t, 12>;

enum class StunKind { bindingRequest, bindingSuccess, other };

/** What an ICE agent needs to know of a STUN message (RFC 8489, RFC 8445). */
struct StunMessage {
  StunKind kind = StunKind::other;
  StunTransactionId transactionId{};
  std::string username;
  bool useCandidate = false;
};

/** @return false for what is no STUN message, or whose MESSAGE-INTEGRITY is not that of `password`. */
bool parseStun(const uint8_t* data, size_t size, const std::string& password, StunMessage& message);

/** A check of a controlled agent. */
std::vector<uint8_t> buildBindingRequest(const StunTransactionId& transactionId, const std::string& username,
                                         const std::string& password, uint32_t priority, uint64_t tieBreaker);

std::vector<uint8_t> buildBindingSuccess(const StunTransactionId& transactionId, const sockaddr_in& mapped,
                                         const std::string& password);

}  // namespace bench
