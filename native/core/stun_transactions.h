#pragma once

#include <cstring>
#include <deque>
#include <optional>
#include <unordered_map>

#include "socket_address.h"
#include "stun_message.h"

namespace streamkit {

/** A binding request of ours that may yet be answered. */
struct StunTransaction {
  uint32_t endpoint = 0;
  int socket = -1;
  SocketAddress to;
  /** The endpoint's when it was first sent. */
  uint32_t generation = 0;
  bool useCandidate = false;
  /** It was signed, so the answer must be; a request to a STUN server is not. */
  bool signedRequest = false;
  /** It was sent by the plane itself and nobody else waits for its answer. */
  bool forConsent = false;
  int64_t sentUs = 0;
};

/** What we have asked lately. Bounded in number and in time; the oldest are forgotten first. */
class StunTransactions {
 public:
  static constexpr size_t kMaxTransactions = 16'384;
  /** Beyond the last retransmission's timeout of RFC 5389 section 7.2.1, 39.5 s. */
  static constexpr int64_t kLifetimeUs = 40'000'000;

  /** @returns false where it was sent before: it is still of the credentials of its first time */
  bool add(const StunTransactionId& id, const StunTransaction& transaction) {
    forget(transaction.sentUs);
    if (!transactions_.try_emplace(id, transaction).second) {
      return false;
    }
    order_.push_back({id, transaction.sentUs});
    return true;
  }

  const StunTransaction* find(const StunTransactionId& id) const {
    const auto found = transactions_.find(id);
    return found == transactions_.end() ? nullptr : &found->second;
  }

  void remove(const StunTransactionId& id) { transactions_.erase(id); }

 private:
  struct Hash {
    size_t operator()(const StunTransactionId& id) const {
      // Our own ids are random, and nobody else can add one.
      size_t value;
      std::memcpy(&value, id.data(), sizeof value);
      return value;
    }
  };

  struct Queued {
    StunTransactionId id;
    int64_t sentUs;
  };

  void forget(int64_t nowUs) {
    while (!order_.empty() &&
           (order_.size() >= kMaxTransactions || nowUs - order_.front().sentUs > kLifetimeUs)) {
      transactions_.erase(order_.front().id);
      order_.pop_front();
    }
  }

  std::unordered_map<StunTransactionId, StunTransaction, Hash> transactions_;
  std::deque<Queued> order_;
};

}  // namespace streamkit
