#include "dtls_registry.h"

#include <algorithm>

namespace streamkit {
namespace {

/**
 * Whether both are the same flight, sent again because nobody had the time to answer: a record that is
 * repeated differs in its sequence number alone, which follows type, version and epoch (RFC 6347
 * section 4.1).
 */
bool isRepetition(Bytes one, Bytes other) {
  constexpr size_t kNumberAt = 5;
  constexpr size_t kNumberEnd = 11;
  return one.size() == other.size() && one.size() > kNumberEnd &&
         std::equal(one.begin(), one.begin() + kNumberAt, other.begin()) &&
         std::equal(one.begin() + kNumberEnd, one.end(), other.begin() + kNumberEnd);
}

}  // namespace

void DtlsRegistry::start(uint32_t id, DtlsRole role, DtlsFingerprints fingerprints, int64_t nowUs) {
  Session& session = sessions_[id];
  if (session.endpoint != nullptr) {
    return;
  }
  if (context_ == nullptr || due_.size() >= kMaxHandshakes) {
    sessions_.erase(id);
    listener_.onDtlsEnded(id, DtlsFault::kCapacity);
    return;
  }
  session.endpoint =
      std::make_unique<DtlsEndpoint>(id, context_, role, std::move(fingerprints), listener_, nowUs);
  if (role == DtlsRole::kClient) {
    session.endpoint->start(nowUs);
  }
  schedule(id, session);
  queue(id, session);
}

bool DtlsRegistry::receive(uint32_t id, Bytes datagram, int64_t nowUs) {
  Session& session = sessions_[id];
  // Data comes in order with what still waits, which may be the end of the handshake.
  if (session.endpoint != nullptr && session.endpoint->state() != DtlsEndpoint::State::kHandshaking &&
      session.waiting.empty()) {
    session.endpoint->receive(datagram, nowUs);
    return true;
  }
  if (std::any_of(session.waiting.begin(), session.waiting.end(),
                  [datagram](const auto& waiting) { return isRepetition(waiting, datagram); })) {
    return true;
  }
  if (session.waiting.size() >= kMaxWaiting) {
    return false;
  }
  session.waiting.emplace_back(datagram.begin(), datagram.end());
  queue(id, session);
  return true;
}

bool DtlsRegistry::send(uint32_t id, Bytes data) {
  const auto found = sessions_.find(id);
  return found != sessions_.end() && found->second.endpoint != nullptr && found->second.endpoint->send(data);
}

void DtlsRegistry::close(uint32_t id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    return;
  }
  if (found->second.dueUs.has_value()) {
    due_.erase({*found->second.dueUs, id});
  }
  // Its entry in the queue finds nobody.
  sessions_.erase(found);
}

void DtlsRegistry::queue(uint32_t id, Session& session) {
  if (!session.isQueued && session.endpoint != nullptr && !session.waiting.empty()) {
    session.isQueued = true;
    queue_.push_back(id);
  }
}

void DtlsRegistry::schedule(uint32_t id, Session& session) {
  const auto dueUs = session.endpoint->dueUs();
  if (dueUs == session.dueUs) {
    return;
  }
  if (session.dueUs.has_value()) {
    due_.erase({*session.dueUs, id});
  }
  if (dueUs.has_value()) {
    due_.insert({*dueUs, id});
  }
  session.dueUs = dueUs;
}

bool DtlsRegistry::receiveNext(uint32_t id, int64_t nowUs) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.waiting.empty()) {
    return false;
  }
  Session& session = found->second;
  session.isQueued = false;
  const std::vector<uint8_t> datagram = std::move(session.waiting.front());
  session.waiting.pop_front();
  session.endpoint->receive(datagram, nowUs);
  schedule(id, session);
  queue(id, session);
  return true;
}

std::optional<int64_t> DtlsRegistry::advance(int64_t nowUs) {
  for (bool taken = false; !taken && !queue_.empty();) {
    const uint32_t id = queue_.front();
    queue_.pop_front();
    taken = receiveNext(id, nowUs);
  }
  while (!due_.empty() && due_.begin()->first <= nowUs) {
    const uint32_t id = due_.begin()->second;
    Session& session = sessions_.at(id);
    session.endpoint->advance(nowUs);
    schedule(id, session);
  }
  if (!queue_.empty()) {
    return nowUs;
  }
  return due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
}

}  // namespace streamkit
