#include "consumer.h"

#include <algorithm>

#include "rtcp_builder.h"

namespace streamkit {
namespace {

constexpr double kResendIntervalMinMs = 10;
constexpr double kResendIntervalMaxMs = 1000;
/** What may wait for one viewer: two seconds of its target, at least this. Beyond it drops to the next
 * keyframe. */
constexpr uint64_t kMinBacklogBytes = 512 * 1024;
constexpr double kBacklogSeconds = 2;
/** Frames that a replay may begin with; a longer group is not worth its bytes, a keyframe is asked for
 * instead. */
constexpr int64_t kMaxReplayFrames = 600;
/** Sound that could not be sent for this long is of no use. */
constexpr int64_t kMaxAudioDelayUs = 200'000;
/** Of a packet of sound with its repetitions, as of any packet of pictures: it is never fragmented on its
 * way. */
constexpr size_t kMaxDatagramBytes = 1'200;
/** The longest tag of SRTP. */
constexpr size_t kMaxTagBytes = 16;
/** What sound with its repetitions may take of a link. */
constexpr double kRedLinkShare = 0.5;
/** Pictures that could not be sent for this long are dropped up to the next keyframe. */
constexpr int64_t kMaxQueueAgeUs = 150'000;
/** A frame that could be repaired only later than this after it was sent is given up. */
constexpr int64_t kMaxRepairUs = 500'000;

}  // namespace

Consumer::Consumer(uint32_t id, MediaTransport& transport, Producer& producer,
                   const ConsumerParameters& parameters, const MediaTime& time, FirstIndices first,
                   std::shared_ptr<ConsumerStats> stats)
    : id_(id),
      transport_(transport),
      producer_(&producer),
      nextFrame_(producer.history().nextFrame()),
      waitsForKeyframe_(producer.video()),
      keyframeBackoff_(parameters.forwarded),
      stats_(std::move(stats)),
      sequence_(first.media),
      firstSequence_(first.media),
      header_(parameters.mid, parameters.headerExtensions, parameters.playoutDelayMaxMs, parameters.rid),
      parameters_(parameters),
      repair_(parameters.fecSsrc, parameters.fecPayloadType, parameters.mid, parameters.headerExtensions,
              first.fec),
      time_(time),
      rtxIndex_(first.rtx) {}

void Consumer::start(int64_t nowUs) {
  if (video() && waitsForKeyframe_ && !paused_ && !startReplay()) {
    requestKeyframe(nowUs);
  }
}

void Consumer::requestKeyframe(int64_t nowUs) {
  if (video() && keyframeBackoff_.request(nowUs)) {
    // One that is about to move has no more use for a keyframe of the producer that it leaves.
    (target_ != nullptr ? target_ : producer_)->requestKeyframe(nowUs);
  }
}

void Consumer::retryKeyframeRequest(int64_t nowUs) {
  if (const auto dueUs = keyframeBackoff_.dueUs(); dueUs.has_value() && *dueUs <= nowUs && !paused_) {
    requestKeyframe(nowUs);
  }
}

void Consumer::resume(int64_t nowUs) {
  if (!paused_) {
    return;
  }
  paused_ = false;
  skipToKeyframe(nowUs);
}

void Consumer::skipToKeyframe(int64_t nowUs) {
  const FrameHistory& history = producer_->history();
  stats_->framesDropped += static_cast<uint64_t>(paused_ ? 0 : history.nextFrame() - nextFrame_);
  nextFrame_ = history.nextFrame();
  nextPayload_ = 0;
  if (video()) {
    waitsForKeyframe_ = true;
    requestKeyframe(nowUs);
  }
}

void Consumer::shed(int64_t nowUs) {
  if (!video() || !hasWork()) {
    return;
  }
  stats_->framesDropped += static_cast<uint64_t>(producer_->history().nextFrame() - nextFrame_) - 1;
  nextFrame_ = producer_->history().nextFrame() - 1;
  nextPayload_ = 0;
  waitsForKeyframe_ = true;
  shed_ = true;
  producer_->congestion(nowUs);
}

void Consumer::onFrame(const EncodedFrame& frame, const Outlet& outlet, int64_t nowUs) {
  const FrameHistory& history = producer_->history();
  if (paused_ || !outlet.reachable) {
    // Nobody is to make a keyframe for a viewer that it could not be sent to.
    stats_->framesDropped += paused_ ? 0 : 1;
    waitsForKeyframe_ = waitsForKeyframe_ || video();
    nextFrame_ = history.nextFrame();
    nextPayload_ = 0;
    return;
  }
  if (waitsForKeyframe_) {
    if (frame.keyframe && (!shed_ || producer_->readmits(nowUs))) {
      waitsForKeyframe_ = false;
      shed_ = false;
      nextFrame_ = frame.number;
      keyframeBytes_ = frame.payloadBytes();
      keyframeBackoff_.keyframeSent();
    } else if (shed_) {
      stats_->framesDropped += 1;
      nextFrame_ = history.nextFrame();
      if (!producer_->congested(nowUs)) {
        producer_->requestKeyframe(nowUs);
      }
    } else if (!startReplay()) {
      stats_->framesDropped += 1;
      nextFrame_ = history.nextFrame();
      // The request may have been lost on its way to the encoder.
      requestKeyframe(nowUs);
    }
    return;
  }
  if (frame.keyframe) {
    keyframeBytes_ = frame.payloadBytes();
    keyframeBackoff_.keyframeSent();
  }
  if (nextFrame_ == frame.number && frame.payloadBytes() <= kMinBacklogBytes) {
    // Nothing waits but this frame.
    return;
  }
  const EncodedFrame* const next = history.frame(nextFrame_);
  if (next != nullptr && history.bytesSince(*next) <= maxBacklogBytes() && !isTooOld(outlet, nowUs)) {
    return;
  }
  const int64_t behind = nextFrame_;
  if (video() && jumpToKeyframe(behind)) {
    stats_->framesDropped += static_cast<uint64_t>(nextFrame_ - behind);
  } else {
    skipToKeyframe(nowUs);
  }
}

void Consumer::moveTo(Producer& producer, int64_t nowUs) {
  const FrameHistory& left = producer_->history();
  stats_->framesDropped += static_cast<uint64_t>(paused_ ? 0 : left.nextFrame() - nextFrame_);
  if (!isFresh()) {
    const int64_t next = sequence_.next();
    former_ = Former{producer_, std::move(sequence_), timestampOffset_, nowUs + producer_->historyUs()};
    sequence_ = SequenceRuns(next);
  }
  target_ = nullptr;
  producer_ = &producer;
  parameters_.targetBitrateBps = producer.targetBitrateBps();
  nextFrame_ = producer.history().nextFrame();
  nextPayload_ = 0;
  replayEnd_ = 0;
  timestampOffset_ = 0;
  moved_ = true;
  waitsForKeyframe_ = video();
}

void Consumer::forget(const Producer& producer) {
  if (target_ == &producer) {
    target_ = nullptr;
  }
  if (former_.has_value() && former_->producer == &producer) {
    former_.reset();
  }
}

int64_t Consumer::queueAgeUs(int64_t nowUs) const {
  const EncodedFrame* const next = hasWork() ? producer_->history().frame(nextFrame_) : nullptr;
  return next == nullptr ? 0 : nowUs - next->sentAtUs;
}

bool Consumer::isTooOld(const Outlet& outlet, int64_t nowUs) const {
  // Frames that are replayed are old by nature. Sound that is too old is dropped as it is sent.
  if (!video() || replaying()) {
    return false;
  }
  const EncodedFrame* const next = producer_->history().frame(nextFrame_);
  // A keyframe that has begun is sent to its end: whatever comes after it needs it. It holds up the frames
  // behind it by the time that it takes, and they catch up.
  if (next == nullptr ||
      (next->keyframe && (nextPayload_ > 0 || next->number == producer_->history().lastKeyframeNumber()))) {
    return false;
  }
  const double keyframeUs = static_cast<double>(keyframeBytes_) * 8 / outlet.pacedBps * 1e6;
  return static_cast<double>(queueAgeUs(nowUs) - outlet.lagUs) > kMaxQueueAgeUs + keyframeUs;
}

uint64_t Consumer::maxBacklogBytes() const {
  return std::max(kMinBacklogBytes,
                  static_cast<uint64_t>(parameters_.targetBitrateBps / 8 * kBacklogSeconds));
}

bool Consumer::jumpToKeyframe(int64_t afterFrame) {
  const FrameHistory& history = producer_->history();
  const EncodedFrame* const keyframe = history.lastKeyframe();
  if (keyframe == nullptr || keyframe->number <= afterFrame ||
      history.bytesSince(*keyframe) > maxBacklogBytes() * 3 / 4 ||
      history.nextFrame() - keyframe->number > kMaxReplayFrames) {
    return false;
  }
  waitsForKeyframe_ = false;
  nextFrame_ = keyframe->number;
  nextPayload_ = 0;
  keyframeBytes_ = keyframe->payloadBytes();
  keyframeBackoff_.keyframeSent();
  return true;
}

bool Consumer::startReplay() {
  if (!producer_->gopReplay() || !jumpToKeyframe(-1)) {
    return false;
  }
  replayEnd_ = producer_->history().nextFrame();
  return true;
}

size_t Consumer::packetsWaiting() const {
  const FrameHistory& history = producer_->history();
  const EncodedFrame* const frame = hasWork() ? history.frame(nextFrame_) : nullptr;
  return frame == nullptr ? 0 : static_cast<size_t>(history.nextPacket() - frame->firstPacket - nextPayload_);
}

RtpHeaderFields Consumer::headerOf(const EncodedFrame& frame, uint32_t index,
                                   uint32_t timestampOffset) const {
  RtpHeaderFields fields;
  fields.ssrc = parameters_.ssrc;
  fields.payloadType = parameters_.payloadType;
  // RFC 6184 section 5.1 and RFC 7741 section 4.1: the last packet of a picture. Opus marks talk spurts, of
  // which continuous sound has none.
  fields.marker = video() && index + 1 == frame.payloadCount();
  fields.rtpTimestamp = frame.rtpTimestamp + timestampOffset;
  fields.captureTime = frame.captureTime;
  return fields;
}

void Consumer::continueTimestamps(const EncodedFrame& frame) {
  if (!moved_) {
    return;
  }
  moved_ = false;
  if (isFresh()) {
    return;
  }
  // Both producers may encode the same picture, or the new one an older one: a receiver takes packets of one
  // time for one picture, so the new one's times are shifted by the little that is needed.
  const auto aheadBy = static_cast<int32_t>(frame.rtpTimestamp - lastTimestamp_);
  timestampOffset_ = aheadBy > 0 ? 0 : static_cast<uint32_t>(1 - static_cast<int64_t>(aheadBy));
}

Consumer::Burst Consumer::sendBurst(PacketWriter& writer, size_t maxPackets, bool more, int64_t nowUs) {
  Burst burst;
  uint64_t payloadBytes = 0;
  FrameHistory& history = producer_->history();
  while (burst.packets < maxPackets && hasWork()) {
    const EncodedFrame* const frame = history.frame(nextFrame_);
    if (frame == nullptr) {
      skipToKeyframe(nowUs);
      break;
    }
    if (!video() && nowUs - frame->sentAtUs > kMaxAudioDelayUs) {
      stats_->framesDropped += 1;
      nextFrame_ += 1;
      continue;
    }
    const int64_t oldestPacket = history.oldestPacket();
    continueTimestamps(*frame);
    RtpHeaderFields fields = headerOf(*frame, nextPayload_, timestampOffset_);
    const size_t joined =
        joinsSound() ? producer_->joinedSound().join(history, nextFrame_, parameters_.packetTimeMaxMs) : 1;
    const uint32_t count = frame->payloadCount();
    if (nextPayload_ == 0) {
      repair_.begin(count);
    }
    for (; nextPayload_ < count && burst.packets < maxPackets; nextPayload_ += 1) {
      fields.marker = video() && nextPayload_ + 1 == count;
      const Bytes payload = joined > 1 ? producer_->joinedSound().payload() : frame->payload(nextPayload_);
      // In the middle of a frame all are of one length, or else end a group.
      const bool padded = more && fields.marker && !repair_.active();
      RedPrefix red;
      const Bytes prefix = writeRedundancy(*frame, red);
      fields.payloadType = prefix.empty() ? parameters_.payloadType : parameters_.redPayloadType;
      const size_t bytes = writer.writeRtp(header_, fields, sequence_.next(), prefix, payload, padded, nowUs);
      if (bytes == 0) {
        break;
      }
      lastTimestamp_ = fields.rtpTimestamp;
      if (joined > 1) {
        sequence_.sentOnce();
        const int64_t last = nextFrame_ + static_cast<int64_t>(joined) - 1;
        lastTimestamp_ = history.frame(last)->rtpTimestamp + timestampOffset_;
      } else {
        sequence_.sent(frame->firstPacket + nextPayload_, oldestPacket);
      }
      burst.packets += 1;
      burst.bytes += bytes;
      payloadBytes += prefix.size() + payload.size();
      if (repair_.active()) {
        const auto number = static_cast<uint16_t>(sequence_.next() - 1);
        const auto repairs = repair_.add(writer, header_, fields, number, payload, nowUs);
        burst.bytes += repairs.bytes;
        burst.repairBytes += repairs.bytes;
        stats_->repairPacketsSent += repairs.packets;
        stats_->repairBytesSent += repairs.bytes;
      }
    }
    if (nextPayload_ < count && burst.packets < maxPackets) {
      // A packet could not be written: the frame is of no use to the viewer.
      skipToKeyframe(nowUs);
      break;
    }
    if (nextPayload_ == count) {
      if (video()) {
        burst.pictureEnd = static_cast<uint16_t>(sequence_.next() - 1);
      }
      nextFrame_ += static_cast<int64_t>(joined);
      nextPayload_ = 0;
    }
  }
  stats_->packetsSent += burst.packets;
  stats_->bytesSent += payloadBytes;
  return burst;
}

Bytes Consumer::writeRedundancy(const EncodedFrame& frame, RedPrefix& prefix) const {
  if (video() || parameters_.redPayloadType == 0 || redundancy_.blocks() == 0 || frame.payloadCount() != 1) {
    return {};
  }
  const FrameHistory& history = producer_->history();
  // On a link that is nearly full of sound, its repetitions are what is lost.
  const EncodedFrame* const before = history.frame(frame.number - 1);
  auto maxBytes =
      static_cast<double>(kMaxDatagramBytes - header_.size() - RedPrefix::kMaxHeaderBytes - kMaxTagBytes);
  if (before != nullptr) {
    const double seconds =
        static_cast<double>(frame.rtpTimestamp - before->rtpTimestamp) / producer_->clockRateHz();
    maxBytes = std::min(maxBytes, linkBps_ / 8 * kRedLinkShare * seconds);
  }
  prefix.addBefore(frame, history, redundancy_.blocks(), maxBytes);
  return prefix.empty() ? Bytes{} : prefix.write(parameters_.payloadType);
}

void Consumer::reportWhenDue(PacketWriter& writer, int64_t nowUs, const ReportTiming& timing) {
  if (nowUs < reportDueUs_) {
    return;
  }
  reportsSent_ += 1;
  reportDueUs_ = timing.nextUs(reportsSent_, nowUs);
  SenderReport report;
  report.ssrc = parameters_.ssrc;
  report.ntp = time_.ntpOf(nowUs);
  report.rtpTimestamp = rtpTimestampOf(nowUs, producer_->clockRateHz());
  report.packetsSent = static_cast<uint32_t>(stats_->packetsSent.get());
  report.payloadBytesSent = static_cast<uint32_t>(stats_->bytesSent.get());
  std::array<uint8_t, kMaxBuiltRtcpBytes> compound;
  writer.writeRtcp(Bytes(compound).first(buildSenderReport(report, parameters_.cname, compound)));
}

void Consumer::sayBye(PacketWriter& writer) {
  std::array<uint32_t, 3> ssrcs{parameters_.ssrc};
  size_t count = 1;
  for (const uint32_t ssrc : {parameters_.rtxSsrc, parameters_.fecSsrc}) {
    ssrcs[count] = ssrc;
    count += ssrc == 0 ? 0 : 1;
  }
  std::array<uint8_t, kMaxBuiltRtcpBytes> compound;
  const size_t bytes = buildBye(std::span(ssrcs).first(count), parameters_.cname, compound);
  writer.writeRtcp(Bytes(compound).first(bytes));
}

void Consumer::onReport(const ReportBlock& block, bool linkIsFull, int64_t nowUs) {
  stats_->fractionLost = block.fractionLost;
  if (block.fractionLost >= kMuchLoss && !linkIsFull) {
    lossUs_ = nowUs;
  }
  redundancy_.onReport(block.fractionLost, nowUs);
  stats_->packetsLost = block.packetsLost;
  stats_->jitterMs = block.jitter * 1000.0 / producer_->clockRateHz();
  const auto rttMs =
      roundTripMs(time_.ntpOf(nowUs), block.lastSenderReport, block.delaySinceLastSenderReport);
  if (rttMs.has_value()) {
    stats_->rttMs = *rttMs;
  }
  if (video()) {
    playoutDelay_.onReport(block, linkIsFull, stats_->rttMs, nowUs);
    header_.setPlayoutDelay(playoutDelay_.ms(), std::max(parameters_.playoutDelayMaxMs, playoutDelay_.ms()));
  }
}

void Consumer::onPli(int64_t nowUs) {
  stats_->plisReceived += 1;
  requestKeyframe(nowUs);
}

void Consumer::onFir(uint8_t commandSequence, int64_t nowUs) {
  stats_->firsReceived += 1;
  // RFC 5104 section 4.3.1.2: the same command sequence number is a repetition of the same request.
  if (lastFirSequence_ != commandSequence) {
    lastFirSequence_ = commandSequence;
    requestKeyframe(nowUs);
  }
}

std::optional<ResendQueue::Entry> Consumer::wantsResend(uint16_t sequenceNumber, int64_t nowUs) {
  if (resends_ == nullptr) {
    resends_ = std::make_unique<ResendLog>();
  }
  ResendLog::Entry& entry = resends_->entries[sequenceNumber % ResendLog::kPackets];
  const double intervalMs = std::clamp(stats_->rttMs.get(), kResendIntervalMinMs, kResendIntervalMaxMs);
  if (entry.sequenceNumber == sequenceNumber && entry.sentUs != INT64_MIN &&
      static_cast<double>(nowUs - entry.sentUs) < intervalMs * 1000) {
    return std::nullopt;
  }
  const Lookup found = findSent(sequenceNumber, nowUs);
  if (!found.wasSent) {
    return std::nullopt;
  }
  if (!found.packet.has_value() || isGivenUp(*found.packet->stored.frame, nowUs)) {
    // The viewer would ask for the keyframe itself, but Chromium does so only every 3 s.
    if (!found.beforeKeyframe) {
      requestKeyframe(nowUs);
    }
    return std::nullopt;
  }
  if (found.beforeKeyframe && nextFrame_ > producer_->history().lastKeyframeNumber()) {
    // It has the keyframe, or asks for the rest of it.
    return std::nullopt;
  }
  entry = {nowUs, sequenceNumber};
  return ResendQueue::Entry{this, found.packet->stored.frame->sentAtUs, found.packet->packet, sequenceNumber};
}

Consumer::Lookup Consumer::findSent(uint16_t sequenceNumber, int64_t nowUs) {
  Lookup found = findIn(*producer_, sequence_.packetOf(sequenceNumber), timestampOffset_, nowUs);
  if (found.wasSent || !former_.has_value()) {
    return found;
  }
  if (nowUs >= former_->untilUs) {
    former_.reset();
    return found;
  }
  found =
      findIn(*former_->producer, former_->sequence.packetOf(sequenceNumber), former_->timestampOffset, nowUs);
  // The viewer goes on from a keyframe, whether or not that has come yet.
  found.beforeKeyframe = true;
  return found;
}

Consumer::Lookup Consumer::findIn(Producer& producer, std::optional<int64_t> packet, uint32_t timestampOffset,
                                  int64_t nowUs) {
  if (!packet.has_value()) {
    return {};
  }
  FrameHistory& history = producer.history();
  Lookup found{true, *packet < history.lastKeyframePacket(), std::nullopt};
  if (const auto stored = history.packet(*packet, nowUs)) {
    found.packet = SentPacket{*stored, *packet, timestampOffset};
  }
  return found;
}

bool Consumer::isGivenUp(const EncodedFrame& frame, int64_t nowUs) const {
  const double onTheWayMs = std::max(0.0, stats_->rttMs.get()) / 2;
  return frame.number >= replayEnd_ &&
         nowUs - frame.sentAtUs + static_cast<int64_t>(onTheWayMs * 1000) > kMaxRepairUs;
}

Consumer::Burst Consumer::resend(PacketWriter& writer, uint16_t sequenceNumber, int64_t nowUs) {
  const auto sent = findSent(sequenceNumber, nowUs).packet;
  if (!sent.has_value() || !canResend() || isGivenUp(*sent->stored.frame, nowUs)) {
    return {};
  }
  const Burst burst = writeRtx(writer, sequenceNumber, *sent, nowUs);
  stats_->packetsRetransmitted += burst.packets;
  stats_->repairBytesSent += burst.bytes;
  return burst;
}

Consumer::Burst Consumer::sendPadding(PacketWriter& writer, int64_t nowUs) {
  // The last packets take turns, so that no two in a row are the same.
  constexpr int64_t kLast = 8;
  const int64_t sent = sequence_.next() - firstSequence_;
  const int64_t back = 1 + static_cast<int64_t>(paddings_++) % std::min(kLast, sent);
  const auto sequenceNumber = static_cast<uint16_t>(sequence_.next() - back);
  const auto packet = findSent(sequenceNumber, nowUs).packet;
  return packet.has_value() ? writeRtx(writer, sequenceNumber, *packet, nowUs) : Burst{};
}

Consumer::Burst Consumer::writeRtx(PacketWriter& writer, uint16_t sequenceNumber, const SentPacket& sent,
                                   int64_t nowUs) {
  // RFC 4588 section 4: the packet again under the RTX stream's own numbers, its original one in front.
  std::array<uint8_t, 2> original;
  writeU16(original.data(), sequenceNumber);
  const StoredPacket& stored = sent.stored;
  RtpHeaderFields fields = headerOf(*stored.frame, stored.index, sent.timestampOffset);
  fields.ssrc = parameters_.rtxSsrc;
  fields.payloadType = parameters_.rtxPayloadType;
  fields.repair = true;
  const size_t bytes = writer.writeRtp(header_, fields, rtxIndex_, original,
                                       stored.frame->payload(stored.index), false, nowUs);
  if (bytes == 0) {
    return {};
  }
  rtxIndex_ += 1;
  return {1, bytes, 0, std::nullopt};
}

}  // namespace streamkit
