#include "media_transport.h"

#include <algorithm>
#include <limits>

namespace streamkit {
namespace {

/** While the kernel takes nothing, how long until it is tried again. */
constexpr int64_t kBlockedRetryUs = 2'000;
/** Ordinary frames go out whole up to this many packets. */
constexpr size_t kMaxRushPackets = 64;
/**
 * Until the viewer has answered, nothing is known of its link: what it is sent first is a keyframe, which it
 * waits for.
 */
constexpr double kStartBitrateBps = 6'000'000;
/** A replay goes at twice the rate, for a newcomer waits for it. */
constexpr double kReplayWeight = 0.5;
constexpr int64_t kRembIntervalUs = 200'000;

}  // namespace

MediaTransport::MediaTransport(uint32_t id, uint32_t endpoint, SrtpSender sender, SrtcpReceiver receiver,
                               std::shared_ptr<TransportStats> stats, const Services& services)
    : id_(id),
      endpoint_(endpoint),
      writer_(std::move(sender), services.batch, services.feedbackIntervalUs > 0),
      receiver_(std::move(receiver)),
      stats_(std::move(stats)),
      services_(services),
      pacer_(0) {}

void MediaTransport::add(Consumer* consumer) {
  consumers_.insert(consumer->video() ? consumers_.end() : consumers_.begin(), consumer);
  targetBitrateChanged();
}

void MediaTransport::remove(Consumer* consumer) {
  if (reachable()) {
    writer_.batch().begin(pair_.socket, pair_.remote);
    consumer->sayBye(writer_);
    writer_.batch().flush();
  }
  const auto next = consumer->nextIndices();
  retiredIndices_[consumer->parameters().ssrc] = next.media;
  if (consumer->parameters().rtxSsrc != 0) {
    retiredIndices_[consumer->parameters().rtxSsrc] = next.rtx;
  }
  std::erase(consumers_, consumer);
  turn_ = 0;
  resends_.forget(consumer);
  targetBitrateChanged();
}

void MediaTransport::select(const SelectedPair& pair, int64_t nowUs) {
  pair_ = pair;
  for (Consumer* consumer : consumers_) {
    consumer->start(nowUs);
  }
}

bool MediaTransport::admits(const ConsumerParameters& parameters) const {
  const auto inUse = [this](uint32_t ssrc) {
    return std::any_of(consumers_.begin(), consumers_.end(),
                       [ssrc](const Consumer* each) { return each->owns(ssrc); });
  };
  const bool hasRtx = parameters.rtxSsrc != 0;
  return parameters.ssrc != parameters.rtxSsrc && !inUse(parameters.ssrc) &&
         !(hasRtx && inUse(parameters.rtxSsrc)) && retiredIndices_.size() + 2 * consumers_.size() < kMaxSsrcs;
}

std::optional<int64_t> MediaTransport::keyframeRequestDueUs() const {
  std::optional<int64_t> dueUs;
  for (const Consumer* consumer : consumers_) {
    if (const auto due = consumer->keyframeRequestDueUs()) {
      dueUs = std::min(dueUs.value_or(*due), *due);
    }
  }
  return dueUs;
}

std::optional<int64_t> MediaTransport::nextIndexOf(uint32_t ssrc) const {
  const auto found = retiredIndices_.find(ssrc);
  return found == retiredIndices_.end() ? std::nullopt : std::optional(found->second);
}

void MediaTransport::targetBitrateChanged() {
  double sumBps = 0;
  for (const Consumer* consumer : consumers_) {
    sumBps += consumer->parameters().targetBitrateBps;
  }
  pacer_.setTargetBitrate(heard_ ? sumBps : std::max(sumBps, kStartBitrateBps));
  resendBudget_.setBitrate(sumBps);
}

void MediaTransport::receiveRtcp(MutableBytes packet, int64_t nowUs) {
  // A viewer sends some twenty of these a second, and all of its other RTCP together is less. What nobody
  // reads needs no decryption.
  if (services_.feedbackIntervalUs <= 0 && isLoneTransportFeedback(packet, receiver_.overheadBytes())) {
    return;
  }
  const auto compound = receiver_.unprotect(packet);
  if (!compound.has_value()) {
    services_.planeStats.droppedSrtcpAuthentication += 1;
    return;
  }
  if (!heard_) {
    heard_ = true;
    targetBitrateChanged();
  }
  receivedAtUs_ = nowUs;
  nackItemsLeft_ = kMaxNackItems;
  if (!parseRtcp(*compound, *this)) {
    stats_->rtcpDropped += 1;
  }
}

bool MediaTransport::hasWork() const {
  return !resends_.empty() || std::any_of(consumers_.begin(), consumers_.end(),
                                          [](const Consumer* each) { return each->hasWork(); });
}

std::optional<int64_t> MediaTransport::pump(int64_t nowUs, uint32_t random, size_t& packets) {
  if (!reachable()) {
    return std::nullopt;
  }
  if (services_.sender.blocked(pair_.socket)) {
    return nowUs + kBlockedRetryUs;
  }
  writer_.batch().begin(pair_.socket, pair_.remote);
  // Sound takes the last place of the video's burst and goes with it in one call; before a burst that does
  // not fit into one it goes first, and does not wait behind it on the way.
  VideoTurn turn = nextVideo(nowUs);
  const bool ridesAlong =
      turn.consumer != nullptr && resends_.empty() && turn.packets < PacketBatch::kMaxGroupPackets;
  if (!ridesAlong) {
    packets += pumpSound(nowUs, random);
  }
  // The budget keeps retransmissions from holding up what is live.
  if (const size_t resent = pumpResends(nowUs); resent > 0) {
    packets += resent;
    turn = nextVideo(nowUs);
  }
  packets += pumpVideo(turn, ridesAlong && soundWaits(), nowUs);
  if (ridesAlong) {
    packets += pumpSound(nowUs, random);
  }
  for (Consumer* consumer : consumers_) {
    if (consumer->video()) {
      consumer->reportWhenDue(writer_, nowUs, random);
      consumer->retryKeyframeRequest(nowUs);
    }
  }
  writer_.batch().flush();
  std::optional<int64_t> dueUs = keyframeRequestDueUs();
  if (hasWork()) {
    dueUs = std::min(dueUs.value_or(INT64_MAX), pacer_.dueUs(nowUs));
  }
  return dueUs;
}

bool MediaTransport::soundWaits() const {
  return std::any_of(consumers_.begin(), consumers_.end(),
                     [](const Consumer* each) { return !each->video() && each->hasWork(); });
}

size_t MediaTransport::pumpSound(int64_t nowUs, uint32_t random) {
  size_t packets = 0;
  for (Consumer* consumer : consumers_) {
    if (!consumer->video() && consumer->hasWork()) {
      const auto burst = consumer->sendBurst(writer_, PacketBatch::kMaxGroupPackets, false, nowUs);
      pacer_.sent(burst.bytes, nowUs);
      resendBudget_.sent(burst.bytes);
      packets += burst.packets;
      consumer->reportWhenDue(writer_, nowUs, random);
    }
  }
  return packets;
}

size_t MediaTransport::pumpResends(int64_t nowUs) {
  size_t packets = 0;
  if (resends_.empty() || !pacer_.mayRush(nowUs)) {
    return 0;
  }
  while (!resends_.empty() && packets < Pacer::kBurstPackets && resendBudget_.allows()) {
    const ResendQueue::Entry entry = resends_.pop();
    const auto burst = entry.consumer->resend(writer_, entry.sequenceNumber, nowUs);
    pacer_.sent(burst.bytes, nowUs);
    resendBudget_.resent(burst.bytes);
    packets += burst.packets;
  }
  if (!resendBudget_.allows()) {
    // What the budget does not cover is not kept: the viewer asks again for what it still wants.
    resends_.clear();
  }
  return packets;
}

MediaTransport::VideoTurn MediaTransport::nextVideo(int64_t nowUs) {
  const size_t count = consumers_.size();
  for (size_t i = 0; i < count; i += 1) {
    Consumer* const consumer = consumers_[(turn_ + i) % count];
    if (!consumer->video() || !consumer->hasWork()) {
      continue;
    }
    const size_t waiting = consumer->packetsWaiting();
    const bool rush = !consumer->keyframeWaits() && waiting <= kMaxRushPackets;
    if (rush ? !pacer_.mayRush(nowUs) : !pacer_.mayBurst(nowUs)) {
      return {};
    }
    return {consumer, rush ? waiting : std::min(waiting, Pacer::kBurstPackets)};
  }
  return {};
}

size_t MediaTransport::pumpVideo(VideoTurn turn, bool more, int64_t nowUs) {
  size_t packets = 0;
  for (size_t i = 0; turn.consumer != nullptr && i < consumers_.size(); i += 1) {
    const double weight = turn.consumer->replaying() ? kReplayWeight : 1;
    const auto burst = turn.consumer->sendBurst(writer_, std::max<size_t>(turn.packets, 1), more, nowUs);
    pacer_.sent(burst.bytes, nowUs, weight);
    resendBudget_.sent(burst.bytes);
    packets += burst.packets;
    videoSentUs_ = nowUs;
    turn_ += 1;
    turn = nextVideo(nowUs);
  }
  return packets;
}

Consumer* MediaTransport::addressee(uint32_t ssrc) {
  for (Consumer* consumer : consumers_) {
    if (consumer->owns(ssrc)) {
      // What is said of the RTX stream is known to be its consumer's, but its losses are not those of the
      // media.
      return ssrc == consumer->parameters().ssrc ? consumer : nullptr;
    }
  }
  stats_->rtcpDropped += 1;
  return nullptr;
}

void MediaTransport::onReport(const ReportBlock& block) {
  if (Consumer* const consumer = addressee(block.ssrc)) {
    consumer->onReport(block, receivedAtUs_);
  }
}

void MediaTransport::onNack(uint32_t ssrc, Bytes items) {
  Consumer* const consumer = addressee(ssrc);
  if (consumer == nullptr) {
    return;
  }
  consumer->onNack();
  if (!consumer->canResend()) {
    return;
  }
  const size_t count = std::min(items.size() / kNackItemBytes, nackItemsLeft_);
  nackItemsLeft_ -= count;
  forEachNacked(items.first(count * kNackItemBytes), [&](uint16_t sequenceNumber) {
    if (const auto entry = consumer->wantsResend(sequenceNumber, receivedAtUs_)) {
      resends_.push(*entry);
    }
  });
}

void MediaTransport::onPli(uint32_t ssrc) {
  if (Consumer* const consumer = addressee(ssrc)) {
    consumer->onPli(receivedAtUs_);
  }
}

void MediaTransport::onFir(uint32_t ssrc, uint8_t commandSequence) {
  if (Consumer* const consumer = addressee(ssrc)) {
    consumer->onFir(commandSequence, receivedAtUs_);
  }
}

void MediaTransport::onTransportFeedback(Bytes body) {
  SentPacketLog* const sent = writer_.sentPackets();
  if (sent == nullptr) {
    return;
  }
  if (!parseTransportFeedback(body, feedback_)) {
    stats_->rtcpDropped += 1;
    return;
  }
  const int64_t offsetUs = referenceTime_.unwrap(referenceTimeUs(body));
  for (const PacketFeedback& packet : feedback_) {
    const auto known = sent->report(packet.sequenceNumber, packet.received, receivedAtUs_);
    if (known.has_value()) {
      records_.push_back(packet.sequenceNumber);
      records_.push_back(static_cast<double>(known->sentUs));
      records_.push_back(packet.received ? static_cast<double>(packet.arrivalUs + offsetUs)
                                         : std::numeric_limits<double>::quiet_NaN());
      records_.push_back(known->bytes);
    }
  }
  if (receivedAtUs_ - feedbackToldUs_ >= services_.feedbackIntervalUs ||
      records_.size() >= kMaxPendingRecords * kRecordValues) {
    tellFeedback();
  }
}

void MediaTransport::tellFeedback() {
  if (!records_.empty()) {
    feedbackToldUs_ = receivedAtUs_;
    services_.listener.onFeedback(id_, std::move(records_));
    records_ = {};
  }
}

void MediaTransport::onRemb(double bitrateBps) {
  if (services_.feedbackIntervalUs > 0 && receivedAtUs_ - rembToldUs_ >= kRembIntervalUs) {
    rembToldUs_ = receivedAtUs_;
    services_.listener.onRemb(id_, bitrateBps);
  }
}

}  // namespace streamkit
