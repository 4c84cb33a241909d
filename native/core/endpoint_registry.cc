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
  endpoint.local.replace(std::move(ufrag), std::move(password));
}

void EndpointRegistry::close(uint32_t id) {
  const Endpoint* const endpoint = find(id);
  if (endpoint == nullptr) {
    return;
  }
  forgetUfrag(endpoint->local.ufrag, id);
  forgetUfrag(endpoint->local.previousUfrag, id);
  for (size_t i = 0; i < endpoint->addressCount(); i += 1) {
    const auto owned = idsByAddress_.find(endpoint->addresses()[i].remote);
    if (owned != idsByAddress_.end() && owned->second == id) {
      idsByAddress_.erase(owned);
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

void EndpointRegistry::noteSent(const Endpoint& endpoint, int socket, const SocketAddress& to, Bytes data,
                                int64_t nowUs) {
  const auto message = StunMessage::parse(data);
  if (message.has_value() && message->messageClass() == StunClass::kRequest) {
    transactions_.add(message->transactionId(),
                      {endpoint.id(), socket, to, message->useCandidate(), message->iceControlled(),
                       message->hasIntegrity(), nowUs});
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
  if (!message.isBinding() || !endpoint->local.authentic(message)) {
    return {Verdict::kNotAuthentic};
  }
  Endpoint::Address& address = validate(*endpoint, socket, from, nowUs);
  Received received{Verdict::kPass, endpoint};
  address.wanted = address.wanted || message.useCandidate();
  // RFC 8445 section 7.3.1.5: where the viewer controls, its check nominates a pair on which one of ours has
  // succeeded; it may nominate another one later.
  if (message.useCandidate() && address.answeredControlled) {
    address.nominated = true;
    received.pairSelected = endpoint->select(address);
  }
  return received;
}

EndpointRegistry::Received EndpointRegistry::receiveResponse(const StunMessage& message, int socket,
                                                             const SocketAddress& from, int64_t nowUs) {
  const StunTransaction* const found = transactions_.find(message.transactionId());
  Endpoint* const endpoint = found == nullptr ? nullptr : find(found->endpoint);
  // RFC 8445 section 7.2.5.2.1: the answer comes from where the request went to, and to where it came from.
  if (endpoint == nullptr || found->socket != socket || !(found->to == from)) {
    return {Verdict::kUnknownSource};
  }
  if (found->signedRequest && !endpoint->remote.authentic(message)) {
    return {Verdict::kNotAuthentic};
  }
  const StunTransaction transaction = *found;
  transactions_.remove(message.transactionId());
  Received received{Verdict::kPass, endpoint};
  if (transaction.signedRequest && message.messageClass() == StunClass::kSuccess) {
    Endpoint::Address& address = validate(*endpoint, socket, from, nowUs);
    address.answeredControlled = address.answeredControlled || transaction.iceControlled;
    address.nominated = address.nominated || transaction.useCandidate ||
                        (transaction.iceControlled && address.wanted);
    // A pair once nominated goes on to be checked for consent without the attribute: of several, the media
    // goes to the one that answered last.
    received.pairSelected = address.nominated && endpoint->select(address);
  }
  return received;
}

Endpoint::Address& EndpointRegistry::validate(Endpoint& endpoint, int socket, const SocketAddress& from,
                                              int64_t nowUs) {
  std::optional<SocketAddress> forgotten;
  Endpoint::Address& address = endpoint.heard(socket, from, nowUs, forgotten);
  if (forgotten.has_value()) {
    const auto old = idsByAddress_.find(*forgotten);
    if (old != idsByAddress_.end() && old->second == endpoint.id()) {
      idsByAddress_.erase(old);
    }
  }
  // A port may pass from one viewer to another: the last to prove itself has it.
  idsByAddress_[from] = endpoint.id();
  return address;
}

Endpoint* EndpointRegistry::ownerOf(const SocketAddress& from) {
  const auto found = idsByAddress_.find(from);
  return found == idsByAddress_.end() ? nullptr : find(found->second);
}

}  // namespace streamkit
