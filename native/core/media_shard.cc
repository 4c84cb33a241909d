#include "media_shard.h"

#include <algorithm>

#include "sound_wait.h"

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

MediaShard::MediaShard(const Options& options, DatagramSender& sender, MediaShardListener& listener,
                       PlaneStats& stats)
    : time_(options.wallOffsetUs),
      sender_(sender),
      listener_(listener),
      stats_(stats),
      random_(options.seed),
      batch_(sender) {}

Producer* MediaShard::findProducer(uint32_t id) {
  return findIn(producers_, id);
}

MediaTransport* MediaShard::findTransport(uint32_t id) {
  return findIn(transports_, id);
}

Consumer* MediaShard::findConsumer(uint32_t id) {
  return findIn(consumers_, id);
}

void MediaShard::createProducer(uint32_t id, const ProducerParameters& parameters,
                                std::shared_ptr<KeyframeRequestPolicy> keyframes) {
  producers_[id] = std::make_unique<Producer>(id, parameters, std::move(keyframes),
                                              static_cast<Producer::Listener&>(*this));
}

void MediaShard::sendFrame(uint32_t id, EncodedFrame frame, bool gapBefore, int64_t nowUs) {
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
  const int64_t soundWaitUs = SoundWait::us(transports_.size());
  const std::vector<Consumer*>& consumers = producer->consumers();
  for (size_t i = 0; i < consumers.size(); i += 1) {
    if (i + 4 < consumers.size()) {
      consumers[i + 4]->prefetchState();
    }
    if (i + 2 < consumers.size()) {
      consumers[i + 2]->transport().prefetchState();
    }
    Consumer* const consumer = consumers[i];
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
    const int64_t dueUs = producer->video() ? nowUs : transport.soundDueUs(nowUs, soundWaitUs);
    if (dueUs <= nowUs) {
      schedule_.now(transport, nowUs);
    } else {
      schedule_.at(transport, dueUs);
    }
  }
}

void MediaShard::admitArrivals(Producer& producer, bool keyframe, int64_t nowUs) {
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

void MediaShard::move(Consumer& consumer, Producer& producer, int64_t nowUs) {
  producer.expectNoMore(&consumer);
  consumer.producer().remove(&consumer);
  consumer.moveTo(producer, nowUs);
  producer.add(&consumer);
  consumer.transport().targetBitrateChanged();
  listener_.onSwitched(consumer.id(), producer.id());
}

void MediaShard::switchConsumer(uint32_t id, uint32_t producerId, int64_t nowUs) {
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

void MediaShard::setProducerBitrate(uint32_t id, double bitrateBps) {
  if (Producer* const producer = findProducer(id)) {
    producer->setTargetBitrate(bitrateBps);
  }
}

void MediaShard::requestKeyframe(uint32_t id, int64_t nowUs) {
  if (Producer* const producer = findProducer(id)) {
    producer->requestKeyframe(nowUs);
  }
}

void MediaShard::closeProducer(uint32_t id, int64_t nowUs) {
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

void MediaShard::createTransport(uint32_t id, SrtpSession srtp, std::shared_ptr<TransportStats> stats,
                                 const std::optional<SelectedPair>& pair) {
  const MediaTransport::Services services{listener_, batch_, sender_, stats_};
  auto transport = std::make_unique<MediaTransport>(id, std::move(srtp.sender), std::move(srtp.receiver),
                                                    std::move(stats), services);
  if (pair.has_value()) {
    transport->select(*pair, 0);
  }
  transports_[id] = std::move(transport);
}

void MediaShard::selectPair(uint32_t id, const SelectedPair& pair, int64_t nowUs) {
  if (MediaTransport* const transport = findTransport(id)) {
    transport->select(pair, nowUs);
    schedule_.now(*transport, nowUs);
  }
}

void MediaShard::unselectPair(uint32_t id) {
  if (MediaTransport* const transport = findTransport(id)) {
    transport->unselect();
  }
}

void MediaShard::closeTransport(uint32_t id) {
  MediaTransport* const transport = findTransport(id);
  if (transport == nullptr) {
    return;
  }
  while (!transport->consumers().empty()) {
    closeConsumer(transport->consumers().back()->id());
  }
  schedule_.forget(*transport);
  transports_.erase(id);
}

void MediaShard::receiveRtcp(uint32_t id, MutableBytes data, int64_t nowUs) {
  MediaTransport* const transport = findTransport(id);
  if (transport == nullptr) {
    return;
  }
  transport->receiveRtcp(data, nowUs);
  if (transport->resends()) {
    schedule_.now(*transport, nowUs);
  } else if (const auto due = transport->keyframeRequestDueUs()) {
    schedule_.at(*transport, *due);
  }
}

int64_t MediaShard::firstIndex(const MediaTransport& transport, uint32_t ssrc) {
  return transport.nextIndexOf(ssrc).value_or(random_() & kFirstSequenceMask);
}

bool MediaShard::consume(uint32_t id, uint32_t transportId, uint32_t producerId,
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

void MediaShard::pauseConsumer(uint32_t id) {
  if (Consumer* const consumer = findConsumer(id)) {
    consumer->pause();
  }
}

void MediaShard::resumeConsumer(uint32_t id, int64_t nowUs) {
  if (Consumer* const consumer = findConsumer(id)) {
    consumer->resume(nowUs);
  }
}

void MediaShard::setTargetBitrate(uint32_t id, double bitrateBps) {
  if (Consumer* const consumer = findConsumer(id)) {
    consumer->setTargetBitrate(bitrateBps);
    consumer->transport().targetBitrateChanged();
  }
}

void MediaShard::closeConsumer(uint32_t id) {
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

void MediaShard::onKeyframeRequestDue(uint32_t producer, int64_t dueUs) {
  const auto [due, isNew] = keyframeRequestsDue_.try_emplace(producer, dueUs);
  if (!isNew) {
    due->second = std::min(due->second, dueUs);
  }
}

void MediaShard::retryKeyframeRequests(int64_t nowUs) {
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
}

std::optional<int64_t> MediaShard::advance(int64_t nowUs, size_t maxPackets) {
  retryKeyframeRequests(nowUs);
  schedule_.advance(nowUs);
  size_t packets = 0;
  while (packets < maxPackets) {
    PumpSchedule::Entry* const entry = schedule_.take();
    if (entry == nullptr) {
      break;
    }
    if (const auto* const second = static_cast<const MediaTransport*>(schedule_.peek(1))) {
      second->prefetch();
    }
    if (const auto* const next = static_cast<const MediaTransport*>(schedule_.peek(0))) {
      next->prefetchConsumers();
    }
    const ReportTiming reports{transports_.size(), static_cast<uint32_t>(random_())};
    const auto dueUs = static_cast<MediaTransport*>(entry)->pump(nowUs, reports, packets);
    if (dueUs.has_value()) {
      schedule_.at(*entry, *dueUs);
    }
  }
  if (schedule_.anyReady()) {
    return nowUs;
  }
  std::optional<int64_t> nextUs = schedule_.nextDueUs();
  for (const auto& [_, dueUs] : keyframeRequestsDue_) {
    nextUs = std::min(nextUs.value_or(dueUs), dueUs);
  }
  return nextUs;
}

}  // namespace streamkit
