#include "ice_client.h"

#include <openssl/rand.h>

#include <utility>

namespace bench {

namespace {

// Chromium's pace: every pair at once while checking, then the selected one about every 2.5 s.
constexpr int64_t kCheckIntervalUs = 100'000;
constexpr int64_t kConsentIntervalUs = 2'500'000;
// RFC 8445 section 5.1.2.1, of a peer-reflexive candidate.
constexpr uint32_t kPriority = (110U << 24) | (65'535U << 8) | 255U;

std::string randomText(size_t characters) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<uint8_t> random(characters);
  RAND_bytes(random.data(), static_cast<int>(random.size()));
  std::string text;
  for (const uint8_t value : random)
    text += kAlphabet[value % 64];
  return text;
}

}  // namespace

IceClient::IceClient(Send send) : local_{randomText(8), randomText(24)}, send_(std::move(send)) {
  RAND_bytes(reinterpret_cast<uint8_t*>(&tieBreaker_), sizeof tieBreaker_);
}

void IceClient::addRemoteCandidate(const sockaddr_in& address) {
  if (candidates_.size() >= kMaxCandidates)
    return;
  candidates_.push_back(address);
  check(address);
}

void IceClient::receive(const uint8_t* data, size_t size, const sockaddr_in& from, int64_t nowUs) {
  StunMessage message;
  // A request carries our password, a response the server's.
  const bool request = size > 1 && data[0] == 0 && data[1] == 1;
  if (!parseStun(data, size, request ? local_.password : remote_.password, message))
    return;
  if (message.kind != StunKind::bindingRequest)
    return;
  if (message.username != local_.ufrag + ":" + remote_.ufrag)
    return;
  const auto response = buildBindingSuccess(message.transactionId, from, local_.password);
  send_(response.data(), response.size(), from);
  checksAnswered_ += 1;
  if (message.useCandidate) {
    selected_ = from;
    if (!nominated_)
      nextCheckUs_ = nowUs + kConsentIntervalUs;
    nominated_ = true;
  } else if (!nominated_) {
    // RFC 8445 section 7.3.1.4: a triggered check.
    check(from);
  }
}

void IceClient::onTimer(int64_t nowUs) {
  if (nowUs < nextCheckUs_)
    return;
  if (nominated_) {
    check(selected_);
    nextCheckUs_ = nowUs + kConsentIntervalUs;
    return;
  }
  for (const auto& candidate : candidates_)
    check(candidate);
  nextCheckUs_ = nowUs + kCheckIntervalUs;
}

void IceClient::check(const sockaddr_in& to) {
  StunTransactionId transactionId;
  RAND_bytes(transactionId.data(), static_cast<int>(transactionId.size()));
  const auto request = buildBindingRequest(transactionId, remote_.ufrag + ":" + local_.ufrag,
                                           remote_.password, kPriority, tieBreaker_);
  send_(request.data(), request.size(), to);
}

}  // namespace bench
