#include "consent_keeper.h"

#include <openssl/rand.h>

#include <algorithm>

namespace streamkit {

void ConsentKeeper::begin(uint32_t endpoint, uint32_t id, const SelectedPair& pair, Bytes request,
                          std::string password, int64_t nowUs, uint32_t random) {
  end(endpoint);
  Consent& consent = consents_[endpoint];
  consent.id = id;
  consent.pair = pair;
  consent.request.assign(request.begin(), request.end());
  consent.password = std::move(password);
  consent.expiresUs = nowUs + kLifetimeUs;
  schedule(endpoint, consent, nowUs, random);
}

void ConsentKeeper::end(uint32_t endpoint) {
  const auto found = consents_.find(endpoint);
  if (found != consents_.end()) {
    due_.erase({found->second.dueUs, endpoint});
    consents_.erase(found);
  }
}

void ConsentKeeper::confirm(uint32_t endpoint, const SelectedPair& pair, int64_t nowUs) {
  const auto found = consents_.find(endpoint);
  if (found != consents_.end() && found->second.pair == pair) {
    found->second.expiresUs = nowUs + kLifetimeUs;
  }
}

std::optional<ConsentKeeper::Due> ConsentKeeper::take(int64_t nowUs, uint32_t random) {
  if (due_.empty() || due_.begin()->first > nowUs) {
    return std::nullopt;
  }
  const uint32_t endpoint = due_.begin()->second;
  Consent& consent = consents_.at(endpoint);
  if (nowUs >= consent.expiresUs) {
    const uint32_t id = consent.id;
    end(endpoint);
    return Due{.endpoint = endpoint, .consent = id, .lost = true};
  }
  due_.erase(due_.begin());
  schedule(endpoint, consent, nowUs, random);
  // Whoever guesses the id of a request that he does not see still lacks the password to answer it; but
  // section 5.1 wants it beyond guessing.
  StunTransactionId id;
  const bool isRandom = RAND_bytes(id.data(), static_cast<int>(id.size())) == 1;
  signed_.resize(consent.request.size() + kStunSignatureBytes);
  const size_t bytes = isRandom ? signBindingRequest(consent.request, id, consent.password, signed_) : 0;
  return Due{.endpoint = endpoint,
             .consent = consent.id,
             .pair = consent.pair,
             .request = Bytes(signed_).first(bytes)};
}

void ConsentKeeper::schedule(uint32_t endpoint, Consent& consent, int64_t nowUs, uint32_t random) {
  // Section 5.1: between 0.8 and 1.2 of the interval, so that checks of viewers that came together part.
  const int64_t waitUs = kIntervalUs * 8 / 10 + random % (kIntervalUs * 4 / 10);
  consent.dueUs = std::min(nowUs + waitUs, consent.expiresUs);
  due_.insert({consent.dueUs, endpoint});
}

}  // namespace streamkit
