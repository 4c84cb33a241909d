#include "media_core.h"

#include <algorithm>

#include "packet_kind.h"

namespace streamkit {

MediaCore::MediaCore(const Options& options, DatagramSender& sender, MediaCoreListener& listener,
                     PlaneStats& stats, const std::vector<ShardLink*>& links, DtlsLink* dtls)
    : sender_(sender),
      listener_(listener),
      stats_(stats),
      random_(options.seed),
      ownDtls_(static_cast<DtlsEndpoint::Listener&>(*this)),
      otherDtls_(dtls) {
  if (links.empty()) {
    ownShard_.emplace(options, sender, listener, stats);
    shards_.push_back({});
  }
  for (ShardLink* const link : links) {
    shards_.push_back({.link = link});
  }
}

void MediaCore::createEndpoint(uint32_t id, std::string ufrag, std::string password) {
  endpoints_.create(id, std::move(ufrag), std::move(password));
}

void MediaCore::setLocalCredentials(uint32_t id, std::string ufrag, std::string password) {
  if (Endpoint* const endpoint = endpoints_.find(id)) {
    endpoints_.setLocalCredentials(*endpoint, std::move(ufrag), std::move(password));
  }
}

void MediaCore::setRemoteCredentials(uint32_t id, std::string ufrag, std::string password) {
  Endpoint* const endpoint = endpoints_.find(id);
  // The same again is no restart.
  if (endpoint != nullptr && (endpoint->remote.ufrag != ufrag || endpoint->remote.password != password)) {
    endpoint->replaceRemote(std::move(ufrag), std::move(password));
  }
}

void MediaCore::sendPacket(uint32_t id, int socket, const SocketAddress& to, Bytes data, int64_t nowUs) {
  Endpoint* const endpoint = endpoints_.find(id);
  if (endpoint == nullptr || data.empty()) {
    return;
  }
  if (packetKindOf(data) == PacketKind::kStun) {
    endpoints_.noteSent(*endpoint, socket, to, data, nowUs);
  }
  sender_.send(socket, to, data, data.size());
}

void MediaCore::keepConsent(uint32_t id, uint32_t consent, const SelectedPair& pair, Bytes request,
                            int64_t nowUs) {
  if (const Endpoint* const endpoint = endpoints_.find(id)) {
    consents_.begin(id, consent, pair, request, endpoint->remote.password, nowUs, random());
  }
}

void MediaCore::askForConsent(int64_t nowUs) {
  while (const auto due = consents_.take(nowUs, random())) {
    Endpoint* const endpoint = endpoints_.find(due->endpoint);
    if (due->lost) {
      // RFC 7675 section 5.1: without consent nothing more may be sent there.
      if (endpoint != nullptr) {
        endpoint->loseConsent();
        unselect(*endpoint, nowUs);
      }
      listener_.onConsentLost(due->consent);
    } else if (endpoint != nullptr && !due->request.empty()) {
      const auto& [socket, to] = due->pair;
      endpoints_.noteSent(*endpoint, socket, to, due->request, nowUs, true);
      sender_.send(socket, to, due->request, due->request.size());
    }
  }
}

void MediaCore::closeEndpoint(uint32_t id) {
  consents_.end(id);
  dtls().close(id);
  const Endpoint* const endpoint = endpoints_.find(id);
  if (endpoint != nullptr && endpoint->transport.has_value()) {
    closeTransport(*endpoint->transport);
  }
  endpoints_.close(id);
}

void MediaCore::startDtls(uint32_t id, DtlsRole role, DtlsFingerprints fingerprints, int64_t nowUs) {
  if (endpoints_.find(id) != nullptr) {
    dtls().start(id, role, std::move(fingerprints), nowUs);
  }
}

void MediaCore::sendDtls(uint32_t id, Bytes data) {
  if (!dtls().send(id, data)) {
    stats_.droppedDtls += 1;
  }
}

void MediaCore::sendDtlsDatagram(uint32_t id, Bytes datagram) {
  const Endpoint* const endpoint = endpoints_.find(id);
  if (endpoint == nullptr) {
    return;
  }
  // Before a pair is selected, to where the viewer's own checks have come from.
  const auto& pair = endpoint->selected().has_value() ? endpoint->selected() : endpoint->dtlsFrom;
  if (pair.has_value()) {
    sender_.send(pair->socket, pair->remote, datagram, datagram.size());
  }
}

void MediaCore::createProducer(uint32_t id, const ProducerParameters& parameters) {
  const auto keyframes = std::make_shared<KeyframeRequestPolicy>(parameters.keyframeIntervalMinUs);
  producers_[id] = 0;
  for (Shard& each : shards_) {
    callShard(each, 0, [=](MediaShard& shard, int64_t) { shard.createProducer(id, parameters, keyframes); });
  }
}

void MediaCore::sendFrame(uint32_t id, EncodedFrame frame, bool gapBefore, int64_t nowUs) {
  const auto found = producers_.find(id);
  if (found == producers_.end()) {
    return;
  }
  frame.ordinal = ++found->second;
  if (ownShard_.has_value()) {
    ownShard_->sendFrame(id, std::move(frame), gapBefore, nowUs);
    return;
  }
  for (const Shard& each : shards_) {
    each.link->postFrame(id, frame, gapBefore, each.viewers > 0);
  }
}

void MediaCore::setProducerBitrate(uint32_t id, double bitrateBps) {
  for (Shard& each : shards_) {
    callShard(each, 0, [=](MediaShard& shard, int64_t) { shard.setProducerBitrate(id, bitrateBps); });
  }
}

void MediaCore::requestKeyframe(uint32_t id, int64_t nowUs) {
  // Each shard would do: they share the policy.
  callShard(shards_.front(), nowUs,
            [id](MediaShard& shard, int64_t atUs) { shard.requestKeyframe(id, atUs); });
}

void MediaCore::closeProducer(uint32_t id, int64_t nowUs) {
  producers_.erase(id);
  if (ownShard_.has_value()) {
    ownShard_->closeProducer(id, nowUs);
    return;
  }
  for (const Shard& each : shards_) {
    each.link->postCloseProducer(id);
  }
}

size_t MediaCore::chooseShard() const {
  // Few viewers stay together: each thread that has some is woken for each frame.
  const size_t inUse = std::min(shards_.size(), 1 + transports_.size() / kViewersPerShard);
  const auto least = std::min_element(shards_.begin(), shards_.begin() + static_cast<std::ptrdiff_t>(inUse),
                                      [](const Shard& a, const Shard& b) { return a.viewers < b.viewers; });
  return static_cast<size_t>(least - shards_.begin());
}

bool MediaCore::createTransport(uint32_t id, uint32_t endpointId, SrtpSession srtp,
                                std::shared_ptr<TransportStats> stats) {
  Endpoint* const endpoint = endpoints_.find(endpointId);
  if (endpoint == nullptr) {
    return false;
  }
  if (endpoint->transport.has_value()) {
    closeTransport(*endpoint->transport);
  }
  const size_t place = chooseShard();
  endpoint->transport = id;
  transports_[id] = {endpointId, place, {}};
  shards_[place].viewers += 1;
  // A command can be copied, keys are not.
  auto keys = std::make_shared<SrtpSession>(std::move(srtp));
  callShard(shards_[place], 0, [id, keys, stats, pair = endpoint->selected()](MediaShard& shard, int64_t) {
    shard.createTransport(id, std::move(*keys), stats, pair);
  });
  return true;
}

void MediaCore::setDtlsKeys(uint32_t id, std::optional<SrtpSession> srtp) {
  if (Endpoint* const endpoint = endpoints_.find(id)) {
    endpoint->dtlsKeys = std::move(srtp);
  }
}

bool MediaCore::createDtlsTransport(uint32_t id, uint32_t endpointId, std::shared_ptr<TransportStats> stats) {
  Endpoint* const endpoint = endpoints_.find(endpointId);
  if (endpoint == nullptr || !endpoint->dtlsKeys.has_value()) {
    return false;
  }
  SrtpSession srtp = std::move(*endpoint->dtlsKeys);
  endpoint->dtlsKeys.reset();
  return createTransport(id, endpointId, std::move(srtp), std::move(stats));
}

void MediaCore::closeTransport(uint32_t id) {
  const auto found = transports_.find(id);
  if (found == transports_.end()) {
    return;
  }
  const Transport transport = std::move(found->second);
  transports_.erase(found);
  for (const uint32_t consumer : transport.consumers) {
    consumers_.erase(consumer);
  }
  if (Endpoint* const endpoint = endpoints_.find(transport.endpoint)) {
    endpoint->transport.reset();
  }
  Shard& shard = shards_[transport.shard];
  shard.viewers -= 1;
  callShard(shard, 0, [id](MediaShard& own, int64_t) { own.closeTransport(id); });
}

bool MediaCore::consume(uint32_t id, uint32_t transportId, uint32_t producer,
                        const ConsumerParameters& parameters, std::shared_ptr<ConsumerStats> stats,
                        int64_t nowUs) {
  const auto transport = transports_.find(transportId);
  if (transport == transports_.end() || !producers_.contains(producer)) {
    return false;
  }
  const auto add = [=](MediaShard& shard, int64_t atUs) {
    return shard.consume(id, transportId, producer, parameters, stats, atUs);
  };
  Shard& shard = shards_[transport->second.shard];
  if (ownShard_.has_value() && !add(*ownShard_, nowUs)) {
    return false;
  }
  transport->second.consumers.insert(id);
  consumers_[id] = transportId;
  if (shard.link != nullptr) {
    shard.link->post(add);
  }
  return true;
}

MediaCore::Shard* MediaCore::shardOfConsumer(uint32_t id) {
  const auto consumer = consumers_.find(id);
  return consumer == consumers_.end() ? nullptr : &shards_[transports_.at(consumer->second).shard];
}

void MediaCore::pauseConsumer(uint32_t id) {
  if (Shard* const shard = shardOfConsumer(id)) {
    callShard(*shard, 0, [id](MediaShard& own, int64_t) { own.pauseConsumer(id); });
  }
}

void MediaCore::resumeConsumer(uint32_t id, int64_t nowUs) {
  if (Shard* const shard = shardOfConsumer(id)) {
    callShard(*shard, nowUs, [id](MediaShard& own, int64_t atUs) { own.resumeConsumer(id, atUs); });
  }
}

void MediaCore::switchConsumer(uint32_t id, uint32_t producer, int64_t nowUs) {
  if (Shard* const shard = shardOfConsumer(id)) {
    callShard(*shard, nowUs,
              [id, producer](MediaShard& own, int64_t atUs) { own.switchConsumer(id, producer, atUs); });
  }
}

void MediaCore::setTargetBitrate(uint32_t id, double bitrateBps) {
  if (Shard* const shard = shardOfConsumer(id)) {
    callShard(*shard, 0,
              [id, bitrateBps](MediaShard& own, int64_t) { own.setTargetBitrate(id, bitrateBps); });
  }
}

void MediaCore::closeConsumer(uint32_t id) {
  Shard* const shard = shardOfConsumer(id);
  if (shard == nullptr) {
    return;
  }
  transports_.at(consumers_.at(id)).consumers.erase(id);
  consumers_.erase(id);
  callShard(*shard, 0, [id](MediaShard& own, int64_t) { own.closeConsumer(id); });
}

void MediaCore::receive(int socket, const SocketAddress& from, MutableBytes data, int64_t nowUs) {
  stats_.received += 1;
  switch (packetKindOf(data)) {
    case PacketKind::kStun:
      receiveStun(socket, from, data, nowUs);
      return;
    case PacketKind::kDtls:
      receiveDtls(socket, from, data, nowUs);
      return;
    case PacketKind::kRtcp:
      receiveRtcp(socket, from, data, nowUs);
      return;
    case PacketKind::kRtp:
      // Viewers are sent to; what they send as media is nothing that anybody has asked for.
      if (!RtpPacketView::parse(data).has_value()) {
        stats_.droppedMalformed += 1;
      } else if (!knows(socket, from)) {
        stats_.droppedUnknownSource += 1;
      }
      return;
    case PacketKind::kUnknown:
      stats_.droppedMalformed += 1;
      return;
  }
}

void MediaCore::receiveDtls(int socket, const SocketAddress& from, Bytes data, int64_t nowUs) {
  Endpoint* const endpoint = endpoints_.ownerOf(socket, from);
  if (endpoint == nullptr) {
    stats_.droppedUnknownSource += 1;
    return;
  }
  endpoint->dtlsFrom = SelectedPair{socket, from};
  if (!dtls().receive(endpoint->id(), data, nowUs)) {
    stats_.droppedDtls += 1;
  }
}

void MediaCore::receiveStun(int socket, const SocketAddress& from, MutableBytes data, int64_t nowUs) {
  const auto received = endpoints_.receiveStun(socket, from, data, nowUs);
  switch (received.verdict) {
    case EndpointRegistry::Verdict::kMalformed:
      stats_.droppedMalformed += 1;
      return;
    case EndpointRegistry::Verdict::kNotAuthentic:
      stats_.droppedStunIntegrity += 1;
      return;
    case EndpointRegistry::Verdict::kUnknownSource:
      stats_.droppedUnknownSource += 1;
      return;
    case EndpointRegistry::Verdict::kAnswer:
      if (received.answerBytes > 0) {
        sender_.send(socket, from, endpoints_.answer().first(received.answerBytes), received.answerBytes);
      }
      return;
    case EndpointRegistry::Verdict::kConsent:
      if (received.consents) {
        consents_.confirm(received.endpoint->id(), {socket, from}, nowUs);
      }
      break;
    case EndpointRegistry::Verdict::kPass:
      listener_.onPacket(received.endpoint->id(), socket, from, data);
      break;
  }
  if (received.pairSelected) {
    select(*received.endpoint, nowUs);
  }
}

void MediaCore::select(const Endpoint& endpoint, int64_t nowUs) {
  if (endpoint.transport.has_value() && endpoint.selected().has_value()) {
    callShard(shardOf(endpoint), nowUs,
              [id = *endpoint.transport, pair = *endpoint.selected()](MediaShard& shard, int64_t atUs) {
                shard.selectPair(id, pair, atUs);
              });
  }
}

void MediaCore::unselect(const Endpoint& endpoint, int64_t nowUs) {
  if (endpoint.transport.has_value()) {
    callShard(shardOf(endpoint), nowUs,
              [id = *endpoint.transport](MediaShard& shard, int64_t) { shard.unselectPair(id); });
  }
}

void MediaCore::disconnected(int socket, const SocketAddress& from, int64_t nowUs) {
  if (const Endpoint* const endpoint = endpoints_.disconnected(socket, from)) {
    unselect(*endpoint, nowUs);
  }
}

void MediaCore::socketClosed(uint32_t id, int socket, int64_t nowUs) {
  const Endpoint* const endpoint = endpoints_.find(id);
  std::vector<SocketAddress> gone;
  for (size_t i = 0; endpoint != nullptr && i < endpoint->addressCount(); i += 1) {
    const Endpoint::Address& address = endpoint->addresses()[i];
    if (address.socket == socket) {
      gone.push_back(address.remote);
    }
  }
  for (const SocketAddress& from : gone) {
    disconnected(socket, from, nowUs);
  }
}

void MediaCore::receiveRtcp(int socket, const SocketAddress& from, MutableBytes data, int64_t nowUs) {
  const Endpoint* const endpoint = endpoints_.ownerOf(socket, from);
  if (endpoint == nullptr || !endpoint->transport.has_value()) {
    stats_.droppedUnknownSource += 1;
  } else if (ownShard_.has_value()) {
    ownShard_->receiveRtcp(*endpoint->transport, data, nowUs);
  } else if (!shardOf(*endpoint).link->postRtcp(*endpoint->transport, data)) {
    stats_.droppedRtcp += 1;
  }
}

std::optional<int64_t> MediaCore::advance(int64_t nowUs, size_t maxPackets) {
  std::optional<int64_t> nextUs;
  const auto earliest = [&nextUs](std::optional<int64_t> dueUs) {
    if (dueUs.has_value()) {
      nextUs = std::min(nextUs.value_or(*dueUs), *dueUs);
    }
  };
  askForConsent(nowUs);
  earliest(consents_.nextDueUs());
  if (ownShard_.has_value()) {
    earliest(ownShard_->advance(nowUs, maxPackets));
  }
  earliest(ownDtls_.advance(nowUs));
  return nextUs;
}

}  // namespace streamkit
