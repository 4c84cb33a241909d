#include "media_core.h"

#include <algorithm>

namespace streamkit {
namespace {

/** RFC 3711 section 3.3.1: the first sequence number lies in the lower half. */
constexpr uint32_t kFirstSequenceMask = 0x7fff;
/**
 * How long a viewer may wait for its turn before the thread is taken to be overloaded. A keyframe for a
 * thousand viewers goes out in bursts of which each takes some 40 ms for all.
 */
constexpr int64_t kMaxLagUs = 200'000;

template <typename Map>
auto* findIn(Map& map, uint32_t id) {
  const auto found = map.find(id);
  return found == map.end() ? nullptr : found->second.get();
}

}  // namespace

MediaCore::MediaCore(const Options& options, DatagramSender& sender, MediaCoreListener& listener,
                     PlaneStats& stats)
    : options_(options),
      time_(options.wallOffsetUs),
      sender_(sender),
      listener_(listener),
      stats_(stats),
      random_(options.seed),
      batch_(sender),
      dtls_(static_cast<DtlsEndpoint::Listener&>(*this)) {}

Producer* MediaCore::findProducer(uint32_t id) {
  return findIn(producers_, id);
}

MediaTransport* MediaCore::findTransport(uint32_t id) {
  return findIn(transports_, id);
}

Consumer* MediaCore::findConsumer(uint32_t id) {
  return findIn(consumers_, id);
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
    consents_.begin(id, consent, pair, request, endpoint->remote.password, nowUs,
                    static_cast<uint32_t>(random_()));
  }
}

void MediaCore::askForConsent(int64_t nowUs) {
  while (const auto due = consents_.take(nowUs, static_cast<uint32_t>(random_()))) {
    Endpoint* const endpoint = endpoints_.find(due->endpoint);
    if (due->lost) {
      // RFC 7675 section 5.1: without consent nothing more may be sent there.
      if (endpoint != nullptr) {
        endpoint->loseConsent();
        if (endpoint->transport != nullptr) {
          endpoint->transport->unselect();
        }
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
  dtls_.close(id);
  const Endpoint* const endpoint = endpoints_.find(id);
  if (endpoint != nullptr && endpoint->transport != nullptr) {
    closeTransport(endpoint->transport->id());
  }
  endpoints_.close(id);
}

void MediaCore::startDtls(uint32_t id, DtlsRole role, DtlsFingerprints fingerprints, int64_t nowUs) {
  if (endpoints_.find(id) != nullptr) {
    dtls_.start(id, role, std::move(fingerprints), nowUs);
  }
}

void MediaCore::onDtlsDatagram(uint32_t id, Bytes datagram) {
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
  producers_[id] = std::make_unique<Producer>(id, parameters, static_cast<Producer::Listener&>(*this));
}

void MediaCore::sendFrame(uint32_t id, EncodedFrame frame, bool gapBefore, int64_t nowUs) {
  Producer* const producer = findProducer(id);
  if (producer == nullptr) {
    return;
  }
  if (gapBefore) {
    for (Consumer* consumer : producer->consumers()) {
      consumer->skipToKeyframe(nowUs);
    }
    // No viewer's fault: nobody has to wait for a request of its own.
    producer->requestKeyframe(nowUs);
  }
  frame.captureTime = time_.ntpOf(frame.captureTimeUs);
  admitArrivals(*producer, frame.keyframe, nowUs);
  const EncodedFrame& stored = producer->push(std::move(frame), nowUs);
  for (Consumer* consumer : producer->consumers()) {
    MediaTransport& transport = consumer->transport();
    if (transport.lagUs(nowUs) > kMaxLagUs) {
      consumer->shed(nowUs);
    }
    consumer->onFrame(stored, {transport.reachable(), transport.pacedBps(), transport.lagUs(nowUs)}, nowUs);
    if (const auto due = consumer->keyframeRequestDueUs()) {
      schedule_.at(transport, *due);
    }
    if (!consumer->hasWork()) {
      continue;
    }
    const int64_t dueUs = producer->video() ? nowUs : transport.soundDueUs(nowUs);
    if (dueUs <= nowUs) {
      schedule_.now(transport, nowUs);
    } else {
      schedule_.at(transport, dueUs);
    }
  }
}

void MediaCore::admitArrivals(Producer& producer, bool keyframe, int64_t nowUs) {
  if (producer.arrivals().empty()) {
    return;
  }
  if (!keyframe) {
    // The request may have been lost on its way to the encoder.
    producer.requestKeyframe(nowUs);
    return;
  }
  while (!producer.arrivals().empty()) {
    move(*producer.arrivals().back(), producer, nowUs);
  }
}

void MediaCore::move(Consumer& consumer, Producer& producer, int64_t nowUs) {
  producer.expectNoMore(&consumer);
  consumer.producer().remove(&consumer);
  consumer.moveTo(producer, nowUs);
  producer.add(&consumer);
  consumer.transport().targetBitrateChanged();
  listener_.onSwitched(consumer.id(), producer.id());
}

void MediaCore::switchConsumer(uint32_t id, uint32_t producerId, int64_t nowUs) {
  Consumer* const consumer = findConsumer(id);
  Producer* const producer = findProducer(producerId);
  if (consumer == nullptr || producer == nullptr || producer == consumer->target() ||
      producer->video() != consumer->video() ||
      producer->clockRateHz() != consumer->producer().clockRateHz()) {
    return;
  }
  if (consumer->target() != nullptr) {
    consumer->target()->expectNoMore(consumer);
    consumer->setTarget(nullptr);
  }
  if (producer == &consumer->producer()) {
    // The caller may have ignored the event of the move that brought the consumer here, because it had asked
    // for another producer by then.
    listener_.onSwitched(id, producerId);
    return;
  }
  if (consumer->isFresh() || !consumer->video()) {
    move(*consumer, *producer, nowUs);
    if (consumer->transport().reachable()) {
      consumer->start(nowUs);
      if (!consumer->hasWork()) {
        // The consumer's own request may be held back because it has just asked the former producer.
        producer->requestKeyframe(nowUs);
      }
      schedule_.now(consumer->transport(), nowUs);
    }
    return;
  }
  consumer->setTarget(producer);
  producer->expect(consumer);
  producer->requestKeyframe(nowUs);
}

void MediaCore::setProducerBitrate(uint32_t id, double bitrateBps) {
  if (Producer* const producer = findProducer(id)) {
    producer->setTargetBitrate(bitrateBps);
  }
}

void MediaCore::requestKeyframe(uint32_t id, int64_t nowUs) {
  if (Producer* const producer = findProducer(id)) {
    producer->requestKeyframe(nowUs);
  }
}

void MediaCore::closeProducer(uint32_t id, int64_t nowUs) {
  Producer* const producer = findProducer(id);
  if (producer == nullptr) {
    return;
  }
  while (!producer->consumers().empty()) {
    Consumer& consumer = *producer->consumers().back();
    if (consumer.target() != nullptr) {
      move(consumer, *consumer.target(), nowUs);
    } else {
      closeConsumer(consumer.id());
    }
  }
  for (const auto& [_, consumer] : consumers_) {
    consumer->forget(*producer);
  }
  keyframeRequestsDue_.erase(id);
  producers_.erase(id);
}

bool MediaCore::createTransport(uint32_t id, uint32_t endpointId, SrtpSession srtp,
                                std::shared_ptr<TransportStats> stats) {
  Endpoint* const endpoint = endpoints_.find(endpointId);
  if (endpoint == nullptr) {
    return false;
  }
  if (endpoint->transport != nullptr) {
    closeTransport(endpoint->transport->id());
  }
  const MediaTransport::Services services{listener_, batch_, sender_, stats_};
  auto transport = std::make_unique<MediaTransport>(id, endpointId, std::move(srtp.sender),
                                                    std::move(srtp.receiver), std::move(stats), services);
  if (endpoint->selected().has_value()) {
    transport->select(*endpoint->selected(), 0);
  }
  endpoint->transport = transport.get();
  transports_[id] = std::move(transport);
  return true;
}

bool MediaCore::createDtlsTransport(uint32_t id, uint32_t endpoint, std::shared_ptr<TransportStats> stats) {
  auto srtp = dtls_.takeSrtp(endpoint);
  return srtp.has_value() && createTransport(id, endpoint, std::move(*srtp), std::move(stats));
}

void MediaCore::closeTransport(uint32_t id) {
  MediaTransport* const transport = findTransport(id);
  if (transport == nullptr) {
    return;
  }
  while (!transport->consumers().empty()) {
    closeConsumer(transport->consumers().back()->id());
  }
  if (Endpoint* const endpoint = endpoints_.find(transport->endpoint())) {
    endpoint->transport = nullptr;
  }
  schedule_.forget(*transport);
  transports_.erase(id);
}

int64_t MediaCore::firstIndex(const MediaTransport& transport, uint32_t ssrc) {
  return transport.nextIndexOf(ssrc).value_or(random_() & kFirstSequenceMask);
}

bool MediaCore::consume(uint32_t id, uint32_t transportId, uint32_t producerId,
                        const ConsumerParameters& parameters, std::shared_ptr<ConsumerStats> stats,
                        int64_t nowUs) {
  MediaTransport* const transport = findTransport(transportId);
  Producer* const producer = findProducer(producerId);
  if (transport == nullptr || producer == nullptr || !transport->admits(parameters)) {
    return false;
  }
  const Consumer::FirstIndices first{
      firstIndex(*transport, parameters.ssrc), firstIndex(*transport, parameters.rtxSsrc),
      parameters.fecSsrc == 0 ? 0 : firstIndex(*transport, parameters.fecSsrc)};
  auto consumer =
      std::make_unique<Consumer>(id, *transport, *producer, parameters, time_, first, std::move(stats));
  transport->add(consumer.get());
  producer->add(consumer.get());
  if (transport->reachable()) {
    consumer->start(nowUs);
  }
  if (consumer->hasWork()) {
    schedule_.now(*transport, nowUs);
  }
  consumers_[id] = std::move(consumer);
  return true;
}

void MediaCore::pauseConsumer(uint32_t id) {
  if (Consumer* const consumer = findConsumer(id)) {
    consumer->pause();
  }
}

void MediaCore::resumeConsumer(uint32_t id, int64_t nowUs) {
  if (Consumer* const consumer = findConsumer(id)) {
    consumer->resume(nowUs);
  }
}

void MediaCore::setTargetBitrate(uint32_t id, double bitrateBps) {
  if (Consumer* const consumer = findConsumer(id)) {
    consumer->setTargetBitrate(bitrateBps);
    consumer->transport().targetBitrateChanged();
  }
}

void MediaCore::closeConsumer(uint32_t id) {
  Consumer* const consumer = findConsumer(id);
  if (consumer == nullptr) {
    return;
  }
  consumer->transport().remove(consumer);
  if (consumer->target() != nullptr) {
    consumer->target()->expectNoMore(consumer);
  }
  consumer->producer().remove(consumer);
  consumers_.erase(id);
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
      receiveRtcp(from, data, nowUs);
      return;
    case PacketKind::kRtp:
      // Viewers are sent to; what they send as media is nothing that anybody has asked for.
      if (!RtpPacketView::parse(data).has_value()) {
        stats_.droppedMalformed += 1;
      } else if (endpoints_.ownerOf(from) == nullptr) {
        stats_.droppedUnknownSource += 1;
      }
      return;
    case PacketKind::kUnknown:
      stats_.droppedMalformed += 1;
      return;
  }
}

void MediaCore::receiveDtls(int socket, const SocketAddress& from, Bytes data, int64_t nowUs) {
  Endpoint* const endpoint = endpoints_.ownerOf(from);
  if (endpoint == nullptr) {
    stats_.droppedUnknownSource += 1;
    return;
  }
  endpoint->dtlsFrom = SelectedPair{socket, from};
  if (!dtls_.receive(endpoint->id(), data, nowUs)) {
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

void MediaCore::select(Endpoint& endpoint, int64_t nowUs) {
  if (endpoint.transport != nullptr && endpoint.selected().has_value()) {
    endpoint.transport->select(*endpoint.selected(), nowUs);
    schedule_.now(*endpoint.transport, nowUs);
  }
}

void MediaCore::receiveRtcp(const SocketAddress& from, MutableBytes data, int64_t nowUs) {
  const Endpoint* const endpoint = endpoints_.ownerOf(from);
  MediaTransport* const transport = endpoint == nullptr ? nullptr : endpoint->transport;
  if (transport == nullptr) {
    stats_.droppedUnknownSource += 1;
    return;
  }
  transport->receiveRtcp(data, nowUs);
  if (transport->resends()) {
    schedule_.now(*transport, nowUs);
  } else if (const auto due = transport->keyframeRequestDueUs()) {
    schedule_.at(*transport, *due);
  }
}

void MediaCore::onKeyframeWanted(uint32_t producer) {
  listener_.onKeyframeWanted(producer);
}

void MediaCore::onKeyframeRequestDue(uint32_t producer, int64_t dueUs) {
  const auto [due, isNew] = keyframeRequestsDue_.try_emplace(producer, dueUs);
  if (!isNew) {
    due->second = std::min(due->second, dueUs);
  }
}

std::optional<int64_t> MediaCore::advance(int64_t nowUs, size_t maxPackets) {
  std::optional<int64_t> nextUs;
  const auto earliest = [&nextUs](int64_t dueUs) {
    nextUs = nextUs.has_value() ? std::min(*nextUs, dueUs) : dueUs;
  };
  producersDue_.clear();
  for (const auto& [id, dueUs] : keyframeRequestsDue_) {
    if (dueUs <= nowUs) {
      producersDue_.push_back(id);
    }
  }
  for (const uint32_t id : producersDue_) {
    keyframeRequestsDue_.erase(id);
    findProducer(id)->retryKeyframeRequest(nowUs);
  }
  for (const auto& [id, dueUs] : keyframeRequestsDue_) {
    earliest(dueUs);
  }
  askForConsent(nowUs);
  if (const auto due = consents_.nextDueUs()) {
    earliest(*due);
  }
  schedule_.advance(nowUs);
  size_t packets = 0;
  while (packets < maxPackets) {
    PumpSchedule::Entry* const entry = schedule_.take();
    if (entry == nullptr) {
      break;
    }
    const auto dueUs =
        static_cast<MediaTransport*>(entry)->pump(nowUs, static_cast<uint32_t>(random_()), packets);
    if (dueUs.has_value()) {
      schedule_.at(*entry, *dueUs);
    }
  }
  if (const auto due = dtls_.advance(nowUs, schedule_.anyReady())) {
    earliest(*due);
  }
  if (schedule_.anyReady()) {
    return nowUs;
  }
  if (const auto due = schedule_.nextDueUs()) {
    earliest(*due);
  }
  return nextUs;
}

}  // namespace streamkit
