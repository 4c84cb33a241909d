#include "media_transport.h"

#include <algorithm>
#include <cmath>

#include "sequence_number.h"
#include "socket_number.h"

namespace streamkit {
namespace {

/** While the kernel takes nothing, how long until it is tried again. */
constexpr int64_t kBlockedRetryUs = 2'000;
/** The same of a TCP connection that is full, on a grid of that width: one wake of the thread serves all of
 * them. */
constexpr int64_t kFullConnectionRetryUs = 5'000;
/** Ordinary frames go out whole up to this many packets. */
constexpr size_t kMaxRushPackets = 64;
/**
 * Until the viewer has answered, nothing is known of its link: what it is sent first is a keyframe, which it
 * waits for.
 */
constexpr double kStartBitrateBps = 6'000'000;
/** A replay goes at twice the rate, for a newcomer waits for it. */
constexpr double kReplayWeight = 0.5;
/** The estimate is told when it has changed by this share, but not again within this time. */
constexpr double kEstimateChange = 0.05;
constexpr int64_t kEstimateIntervalUs = 200'000;
/** While too much is under way, how long until it is looked at again. */
constexpr int64_t kWindowRetryUs = 5'000;
/** Padding goes out in bursts of about this length. */
constexpr int64_t kPaddingBurstUs = 4'000;
/** Packets after which the burst that a viewer begins with is judged. */
constexpr int64_t kFirstBurstPackets = 40;
/** What a link is probed up to, at least: a better rung than the present one may be worth its while. */
constexpr double kMinCeilingBps = 10'000'000;
/** Packets whose feedback may have been lost; beyond it nothing is taken for granted. */
constexpr int64_t kMaxGapPackets = 512;
/** A longer queue says that the link loses packets because it is full: then nothing is sent twice. */
constexpr int64_t kFullQueueUs = 30'000;
/** Losses that are reported so long after the link was full may be due to that. Browsers report about once
 * per second. */
constexpr int64_t kFullReportUs = 2'000'000;
/** Repair packets are sent where the link carries this much of what it is used for, such packets included. */
constexpr double kRepairRoom = 1.25;

}  // namespace

MediaTransport::MediaTransport(uint32_t id, SrtpSender sender, SrtcpReceiver receiver,
                               std::shared_ptr<TransportStats> stats, const Services& services)
    : services_(services),
      pacer_(0),
      writer_(std::move(sender), services.batch, estimator_),
      id_(id),
      receiver_(std::move(receiver)),
      stats_(std::move(stats)) {}

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
  const ConsumerParameters& parameters = consumer->parameters();
  retiredIndices_[parameters.ssrc] = next.media;
  retiredIndices_[parameters.rtxSsrc] = next.rtx;
  retiredIndices_[parameters.fecSsrc] = next.fec;
  retiredIndices_.erase(0);
  std::erase(consumers_, consumer);
  turn_ = 0;
  resends_.forget(consumer);
  repeats_.forget(consumer);
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
  const auto [ssrc, rtxSsrc, fecSsrc] = std::array{parameters.ssrc, parameters.rtxSsrc, parameters.fecSsrc};
  return ssrc != rtxSsrc && ssrc != fecSsrc && (rtxSsrc == 0 || rtxSsrc != fecSsrc) && !inUse(ssrc) &&
         !inUse(rtxSsrc) && !inUse(fecSsrc) && retiredIndices_.size() + 3 * consumers_.size() < kMaxSsrcs;
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
  targetBps_ = sumBps;
  estimator_.setCeiling(std::max(kMinCeilingBps, 2 * sumBps));
  resendBudget_.setBitrate(sumBps);
  pace();
}

void MediaTransport::pace() {
  if (probeBytesLeft_ > 0) {
    pacer_.setBitrate(probeBps_);
  } else if (estimator_.started()) {
    pacer_.setBitrate(estimator_.pacingBps());
  } else {
    pacer_.setTargetBitrate(heard_ ? targetBps_ : std::max(targetBps_, kStartBitrateBps));
  }
}

void MediaTransport::receiveRtcp(MutableBytes packet, int64_t nowUs) {
  // Most of what comes is feedback, which is compared with these once it is decrypted.
  prefetchLines(&estimator_, sizeof estimator_);
  if (const SentPacketLog* const sent = writer_.sentPackets()) {
    sent->prefetch(static_cast<uint16_t>(newestReported_ + 1));
  }
  const auto compound = receiver_.unprotect(packet);
  if (!compound.has_value()) {
    services_.planeStats.droppedSrtcpAuthentication += 1;
    return;
  }
  if (!heard_) {
    heard_ = true;
    pace();
  }
  receivedAtUs_ = nowUs;
  nackItemsLeft_ = kMaxNackItems;
  if (!parseRtcp(*compound, *this)) {
    stats_->rtcpDropped += 1;
  }
}

bool MediaTransport::hasWork() const {
  return !resends_.empty() || probeBytesLeft_ > 0 ||
         std::any_of(consumers_.begin(), consumers_.end(),
                     [](const Consumer* each) { return each->hasWork(); });
}

int64_t MediaTransport::soundDueUs(int64_t nowUs, int64_t waitUs) const {
  if (nowUs - videoSentUs_ >= kVideoRecentUs) {
    return nowUs;
  }
  const bool comes = std::any_of(consumers_.begin(), consumers_.end(), [&](const Consumer* each) {
    return each->video() && (each->hasWork() || each->frameExpectedUs() <= nowUs + waitUs);
  });
  return comes ? nowUs + waitUs : nowUs;
}

void MediaTransport::prefetch() const {
  // Up to the estimator's first fields.
  const auto* const end = reinterpret_cast<const char*>(&estimator_) + 2 * kCacheLineBytes;
  prefetchLines(this, static_cast<size_t>(end - reinterpret_cast<const char*>(this)));
}

void MediaTransport::prefetchConsumers() const {
  writer_.prefetch();
  for (const Consumer* consumer : consumers_) {
    consumer->prefetch();
  }
}

std::optional<int64_t> MediaTransport::pump(int64_t nowUs, const ReportTiming& reports, size_t& packets) {
  if (!reachable()) {
    return std::nullopt;
  }
  if (services_.sender.blocked(pair_.socket, pair_.remote)) {
    return isOverStream(pair_.socket) ? (nowUs / kFullConnectionRetryUs + 1) * kFullConnectionRetryUs
                                      : nowUs + kBlockedRetryUs;
  }
  writer_.batch().begin(pair_.socket, pair_.remote);
  estimator_.onTime(nowUs);
  beginProbe(nowUs);
  // Sound takes the last place of the video's burst and goes with it in one call; before a burst that does
  // not fit into one it goes first, and does not wait behind it on the way. So it does over TCP, where a
  // burst may get stuck half-way.
  VideoTurn turn = nextVideo(nowUs);
  const bool ridesAlong = turn.consumer != nullptr && resends_.empty() &&
                          turn.packets < PacketBatch::kMaxGroupPackets && !isOverStream(pair_.socket);
  if (!ridesAlong) {
    packets += pumpSound(nowUs, reports);
  }
  // The budget keeps retransmissions from holding up what is live.
  if (const size_t resent = pumpResends(nowUs) + pumpRepeats(nowUs); resent > 0) {
    packets += resent;
    turn = nextVideo(nowUs);
  }
  packets += pumpVideo(turn, ridesAlong && soundWaits(), nowUs);
  if (ridesAlong) {
    packets += pumpSound(nowUs, reports);
  }
  packets += pumpPadding(nowUs);
  for (Consumer* consumer : consumers_) {
    if (consumer->video()) {
      consumer->reportWhenDue(writer_, nowUs, reports);
      consumer->retryKeyframeRequest(nowUs);
    }
  }
  writer_.batch().flush();
  std::optional<int64_t> dueUs = keyframeRequestDueUs();
  if (hasWork()) {
    const int64_t windowUs = estimator_.windowFull(nowUs) ? nowUs + kWindowRetryUs : 0;
    dueUs = std::min(dueUs.value_or(INT64_MAX), std::max(windowUs, pacer_.dueUs(nowUs)));
  }
  if (!repeats_.empty()) {
    const int64_t repeatUs = std::max(repeats_.nextDueUs(), pacer_.dueUs(nowUs));
    dueUs = std::min(dueUs.value_or(INT64_MAX), repeatUs);
  }
  return dueUs;
}

bool MediaTransport::soundWaits() const {
  return std::any_of(consumers_.begin(), consumers_.end(),
                     [](const Consumer* each) { return !each->video() && each->hasWork(); });
}

size_t MediaTransport::pumpSound(int64_t nowUs, const ReportTiming& reports) {
  size_t packets = 0;
  for (Consumer* consumer : consumers_) {
    if (!consumer->video() && consumer->hasWork()) {
      const auto burst = consumer->sendBurst(writer_, PacketBatch::kMaxGroupPackets, false, nowUs);
      pacer_.soundSent(burst.bytes, nowUs);
      resendBudget_.sent(burst.bytes);
      packets += burst.packets;
      consumer->reportWhenDue(writer_, nowUs, reports);
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
    const bool hasSpare = !mayRepair(*entry.consumer, nowUs) || resendBudget_.hasSpare();
    if (burst.packets > 0 && entry.consumer->losesMany(nowUs) && mayRepeat() && hasSpare) {
      repeats_.push(entry.consumer, entry.sequenceNumber, nowUs);
    }
  }
  if (!resendBudget_.allows()) {
    // What the budget does not cover is not kept: the viewer asks again for what it still wants.
    resends_.clear();
  }
  return packets;
}

bool MediaTransport::mayRepeat() const {
  return resendBudget_.allowsRepeats() && estimator_.queueUs() < kFullQueueUs;
}

bool MediaTransport::mayRepair(const Consumer& consumer, int64_t nowUs) const {
  const auto hasRoom = [this] {
    return !estimator_.started() || estimator_.bitrateBps() >= kRepairRoom * estimator_.usedBps();
  };
  return consumer.takesRepairs() && consumer.losesMany(nowUs) && resendBudget_.allowsRepairs() &&
         estimator_.queueUs() < kFullQueueUs && hasRoom();
}

size_t MediaTransport::pumpRepeats(int64_t nowUs) {
  if (repeats_.empty()) {
    return 0;
  }
  if (!mayRepeat()) {
    repeats_.clear();
  }
  size_t packets = 0;
  while (!repeats_.empty() && repeats_.nextDueUs() <= nowUs && packets < Pacer::kBurstPackets &&
         pacer_.mayRush(nowUs)) {
    const RepeatQueue::Entry entry = repeats_.pop();
    const auto burst = entry.consumer->resend(writer_, entry.sequenceNumber, nowUs);
    pacer_.sent(burst.bytes, nowUs);
    resendBudget_.resent(burst.bytes);
    packets += burst.packets;
  }
  return packets;
}

void MediaTransport::beginProbe(int64_t nowUs) {
  if (probeBytesLeft_ > 0 || !estimator_.mayProbe(nowUs)) {
    return;
  }
  const bool canPad = std::any_of(consumers_.begin(), consumers_.end(),
                                  [](const Consumer* each) { return each->video() && each->canPad(); });
  const auto probe = canPad ? estimator_.takeProbe(nowUs) : std::nullopt;
  if (probe.has_value()) {
    probeBps_ = probe->bitrateBps;
    probeBytesLeft_ = probe->bytes;
    estimator_.beginBurst(probeBps_, writer_.nextTransportSequence());
    pace();
  }
}

size_t MediaTransport::pumpPadding(int64_t nowUs) {
  if (probeBytesLeft_ == 0 || !pacer_.mayBurst(nowUs)) {
    return 0;
  }
  size_t packets = 0;
  size_t budget = static_cast<size_t>(probeBps_ / 8e6 * kPaddingBurstUs);
  for (Consumer* consumer : consumers_) {
    while (consumer->video() && consumer->canPad() && probeBytesLeft_ > 0 && packets < Pacer::kBurstPackets) {
      const auto burst = consumer->sendPadding(writer_, nowUs);
      if (burst.bytes == 0) {
        break;
      }
      packets += burst.packets;
      pacer_.sent(burst.bytes, nowUs);
      stats_->paddingBytes += burst.bytes;
      probeBytesLeft_ -= std::min(probeBytesLeft_, burst.bytes);
      if (budget <= burst.bytes) {
        budget = 0;
        break;
      }
      budget -= burst.bytes;
    }
  }
  if (packets == 0) {
    probeBytesLeft_ = 0;
  }
  if (probeBytesLeft_ == 0) {
    estimator_.endBurst(writer_.nextTransportSequence());
    pace();
  }
  return packets;
}

MediaTransport::VideoTurn MediaTransport::nextVideo(int64_t nowUs) {
  if (estimator_.windowFull(nowUs)) {
    return {};
  }
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
  const bool isFirst = !estimator_.started() && !estimator_.inBurst();
  if (isFirst && turn.consumer != nullptr && turn.consumer->keyframeWaits()) {
    // A viewer begins with a keyframe: how it arrives tells what the link carries.
    estimator_.beginBurst(pacer_.bitrateBps(), writer_.nextTransportSequence());
    firstBurstEnd_ = writer_.nextTransportSequence() + kFirstBurstPackets;
  }
  for (size_t i = 0; turn.consumer != nullptr && i < consumers_.size(); i += 1) {
    const double weight = turn.consumer->replaying() ? kReplayWeight : 1;
    turn.consumer->setRepaired(mayRepair(*turn.consumer, nowUs));
    const auto burst = turn.consumer->sendBurst(writer_, std::max<size_t>(turn.packets, 1), more, nowUs);
    pacer_.sent(burst.bytes, nowUs, weight);
    resendBudget_.sent(burst.bytes - burst.repairBytes);
    resendBudget_.resent(burst.repairBytes);
    packets += burst.packets;
    if (burst.pictureEnd.has_value() && !turn.consumer->takesRepairs() && turn.consumer->losesMany(nowUs) &&
        turn.consumer->canResend() && mayRepeat()) {
      // The loss of a picture's last packet is noticed only when the next picture comes.
      repeats_.push(turn.consumer, *burst.pictureEnd, nowUs);
    }
    videoSentUs_ = nowUs;
    turn_ += 1;
    turn = nextVideo(nowUs);
  }
  if (probeBytesLeft_ == 0 && estimator_.inBurst() &&
      (writer_.nextTransportSequence() >= firstBurstEnd_ || !videoWaits())) {
    estimator_.endBurst(writer_.nextTransportSequence());
  }
  return packets;
}

bool MediaTransport::videoWaits() const {
  return std::any_of(consumers_.begin(), consumers_.end(),
                     [](const Consumer* each) { return each->video() && each->hasWork(); });
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
    const bool linkIsFull = receivedAtUs_ - fullUs_ < kFullReportUs;
    consumer->onReport(block, linkIsFull, receivedAtUs_);
    for (Consumer* const each : consumers_) {
      // Browsers report their pictures every second, and their sound, which takes the same way, only every
      // five.
      if (consumer->video() && !each->video() && !linkIsFull) {
        each->onLinkLoss(block.fractionLost, receivedAtUs_);
      }
    }
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
  // One for all viewers stays in the cache.
  static thread_local std::vector<PacketFeedback> feedback;
  if (!parseTransportFeedback(body, feedback)) {
    stats_->rtcpDropped += 1;
    return;
  }
  const int64_t offsetUs = referenceTime_.unwrap(referenceTimeUs(body));
  int64_t newestSentUs = -1;
  int64_t sequence =
      unwrapSequence(feedback.empty() ? 0 : feedback.front().sequenceNumber, writer_.nextTransportSequence());
  for (const PacketFeedback& packet : feedback) {
    const auto known = sent->report(packet.sequenceNumber, packet.received, receivedAtUs_);
    if (known.has_value() && sequence < writer_.nextTransportSequence()) {
      const int64_t arrivalUs = packet.arrivalUs + offsetUs;
      if (packet.received && sequence > newestReported_) {
        reportGap(*sent, sequence, arrivalUs);
        newestSentUs = known->sentUs;
      }
      newestReported_ = std::max(newestReported_, sequence);
      estimator_.onReport(sequence,
                          {known->sentUs, arrivalUs, known->bytes, packet.received, known->wasLost});
    }
    sequence += 1;
  }
  if (newestSentUs < 0) {
    return;
  }
  estimator_.onFeedbackEnd(receivedAtUs_, receivedAtUs_ - newestSentUs);
  if (estimator_.queueUs() >= kFullQueueUs) {
    fullUs_ = receivedAtUs_;
  }
  stats_->queueMs = static_cast<double>(estimator_.queueUs()) / 1000;
  stats_->lossShare = estimator_.lossShare();
  pace();
  if (estimator_.started()) {
    tellEstimate(estimator_.bitrateBps());
  }
}

void MediaTransport::reportGap(SentPacketLog& sent, int64_t sequence, int64_t arrivalUs) {
  const int64_t first = newestReported_ + 1;
  if (first <= 0 || sequence - first > kMaxGapPackets) {
    return;
  }
  for (int64_t each = first; each < sequence; each += 1) {
    if (const auto known = sent.report(static_cast<uint16_t>(each), true, receivedAtUs_)) {
      estimator_.onUnreported(arrivalUs, known->bytes);
    }
  }
}

void MediaTransport::tellEstimate(double bitrateBps) {
  stats_->estimatedBitrateBps = bitrateBps;
  for (Consumer* consumer : consumers_) {
    consumer->setLinkBitrate(bitrateBps);
  }
  if (std::abs(bitrateBps - estimateToldBps_) >= kEstimateChange * estimateToldBps_ &&
      receivedAtUs_ - estimateToldUs_ >= kEstimateIntervalUs) {
    estimateToldBps_ = bitrateBps;
    estimateToldUs_ = receivedAtUs_;
    services_.listener.onEstimate(id_, bitrateBps);
  }
}

void MediaTransport::onRemb(double bitrateBps) {
  // Viewers that send no transport-wide feedback estimate the link themselves.
  if (!estimator_.started()) {
    tellEstimate(bitrateBps);
  }
}

}  // namespace streamkit
