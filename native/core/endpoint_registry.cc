#include "endpoint_registry.h"

namespace streamkit {

Endpoint* EndpointRegistry::find(uint32_t id) {
  const auto found = endpoints_.find(id);
  return found == endpoints_.end() ? nullptr : found->second.get();
}

void EndpointRegistry::create(uint32_t id, std::string ufrag, std::string password) {
  idsByUfrag_[ufrag] = id;
  endpoints_[id] = std::make_unique<Endpoint>(id, std::move(ufrag), std::move(password));
}

void EndpointRegistry::setLocalCredentials(Endpoint& endpoint, std::string ufrag, std::string password) {
  forgetUfrag(endpoint.local.previousUfrag, endpoint.id());
  idsByUfrag_[ufrag] = endpoint.id();
  endpoint.replaceLocal(std::move(ufrag), std::move(password));
}

void EndpointRegistry::close(uint32_t id) {
  const Endpoint* const endpoint = find(id);
  if (endpoint == nullptr) {
    return;
  }
  forgetUfrag(endpoint->local.ufrag, id);
  forgetUfrag(endpoint->local.previousUfrag, id);
  for (size_t i = 0; i < endpoint->addressCount(); i += 1) {
    const Endpoint::Address& address = endpoint->addresses()[i];
    const auto owned = bySource_.find({address.socket, address.remote});
    if (owned != bySource_.end() && owned->second == endpoint) {
      bySource_.erase(owned);
    }
  }
  endpoints_.erase(id);
}

void EndpointRegistry::forgetUfrag(const std::string& ufrag, uint32_t id) {
  const auto found = idsByUfrag_.find(ufrag);
  if (found != idsByUfrag_.end() && found->second == id) {
    idsByUfrag_.erase(found);
  }
}

void EndpointRegistry::noteSent(Endpoint& endpoint, int socket, const SocketAddress& to, Bytes data,
                                int64_t nowUs, bool forConsent) {
  const auto message = StunMessage::parse(data);
  if (message.has_value() && message->messageClass() == StunClass::kRequest) {
    const StunTransaction transaction{.endpoint = endpoint.id(),
                                      .socket = socket,
                                      .to = to,
                                      .generation = endpoint.generation(),
                                      .useCandidate = message->useCandidate(),
                                      .signedRequest = message->hasIntegrity(),
                                      .forConsent = forConsent,
                                      .sentUs = nowUs};
    if (transactions_.add(message->transactionId(), transaction)) {
      endpoint.noteCheck(*message, socket, to);
    }
  }
}

EndpointRegistry::Received EndpointRegistry::receiveStun(int socket, const SocketAddress& from, Bytes data,
                                                         int64_t nowUs) {
  const auto message = StunMessage::parse(data);
  if (!message.has_value()) {
    return {Verdict::kMalformed};
  }
  switch (message->messageClass()) {
    case StunClass::kRequest:
      return receiveRequest(*message, socket, from, nowUs);
    case StunClass::kSuccess:
    case StunClass::kError:
      return receiveResponse(*message, socket, from, nowUs);
    case StunClass::kIndication:
      break;
  }
  // RFC 8445 section 11: a binding indication only keeps a NAT's mapping alive, and nothing is to be done
  // about it.
  return {Verdict::kUnknownSource};
}

EndpointRegistry::Received EndpointRegistry::receiveRequest(const StunMessage& message, int socket,
                                                            const SocketAddress& from, int64_t nowUs) {
  const std::string_view username = message.username();
  const auto found = idsByUfrag_.find(std::string(username.substr(0, username.find(':'))));
  Endpoint* const endpoint = found == idsByUfrag_.end() ? nullptr : find(found->second);
  if (endpoint == nullptr) {
    return {Verdict::kUnknownSource};
  }
  const std::string* const password = message.isBinding() ? endpoint->local.passwordOf(message) : nullptr;
  if (password == nullptr) {
    return {Verdict::kNotAuthentic};
  }
  const Endpoint::Address& address = heard(*endpoint, socket, from, nowUs);
  // Whoever saw one request on its way can send it again from any address: it may claim one that is free, but
  // not that of another viewer.
  bySource_.emplace(PacketSource(socket, from), endpoint);
  const bool roleConflict = endpoint->isControlled() ? message.iceControlled() : message.iceControlling();
  // A viewer asks again and again whether its pair still works. All that may change something is for the
  // agent to judge: what nominates, on whatever pair, and who takes itself for what we are.
  if (endpoint->settledOn(socket, from) && !message.useCandidate() && !roleConflict &&
      !message.hasUnknownAttribute()) {
    const size_t bytes = buildBindingSuccess(message, from, *password, answer_);
    return {.verdict = Verdict::kAnswer, .endpoint = endpoint, .answerBytes = bytes};
  }
  // The controlled agent does not nominate, and what was asked for before a restart does not count after it.
  const bool nominates =
      message.useCandidate() && !message.iceControlled() && password == &endpoint->local.password;
  return {Verdict::kPass, endpoint, nominates && endpoint->noteViewerNominates(address)};
}

EndpointRegistry::Received EndpointRegistry::receiveResponse(const StunMessage& message, int socket,
                                                             const SocketAddress& from, int64_t nowUs) {
  const StunTransaction* const found = transactions_.find(message.transactionId());
  Endpoint* const endpoint = found == nullptr ? nullptr : find(found->endpoint);
  // RFC 8445 section 7.2.5.2.1: the answer comes from where the request went to, and to where it came from.
  if (endpoint == nullptr || found->socket != socket || !(found->to == from)) {
    return {Verdict::kUnknownSource};
  }
  if (found->signedRequest && endpoint->remote.passwordOf(message) == nullptr) {
    return {Verdict::kNotAuthentic};
  }
  const StunTransaction transaction = *found;
  transactions_.remove(message.transactionId());
  Received received{transaction.forConsent ? Verdict::kConsent : Verdict::kPass, endpoint};
  if (transaction.signedRequest && message.messageClass() == StunClass::kSuccess) {
    received.consents = transaction.forConsent;
    Endpoint::Address& address = heard(*endpoint, socket, from, nowUs);
    // A port may pass from one viewer to another: the last to answer what only it was asked has it.
    bySource_.insert_or_assign(PacketSource(socket, from), endpoint);
    // An answer to a check of before a restart says nothing about what comes after it.
    if (transaction.generation == endpoint->generation()) {
      received.pairSelected = endpoint->noteAnswered(address, transaction.useCandidate);
    }
  }
  return received;
}

Endpoint::Address& EndpointRegistry::heard(Endpoint& endpoint, int socket, const SocketAddress& from,
                                           int64_t nowUs) {
  std::optional<PacketSource> forgotten;
  Endpoint::Address& address = endpoint.heard(socket, from, nowUs, forgotten);
  // The same address may be there by another of our sockets still.
  if (forgotten.has_value() && !endpoint.has(*forgotten)) {
    const auto old = bySource_.find(*forgotten);
    if (old != bySource_.end() && old->second == &endpoint) {
      bySource_.erase(old);
      if (isStreamSocket(forgotten->listener)) {
        abandoned_.push_back(*forgotten);
      }
    }
  }
  return address;
}

Endpoint* EndpointRegistry::ownerOf(int socket, const SocketAddress& from) {
  const auto found = bySource_.find({socket, from});
  return found == bySource_.end() ? nullptr : found->second;
}

Endpoint* EndpointRegistry::disconnected(int socket, const SocketAddress& from) {
  const auto found = bySource_.find({socket, from});
  if (found == bySource_.end()) {
    return nullptr;
  }
  Endpoint* const owner = found->second;
  bySource_.erase(found);
  return owner->forget(socket, from) ? owner : nullptr;
}

}  // namespace streamkit
