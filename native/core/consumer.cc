#include "consumer.h"

#include <algorithm>

#include "rtcp_builder.h"

namespace streamkit {
namespace {

constexpr int64_t kReportIntervalUs = 1'000'000;
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

}  // namespace

Consumer::Consumer(uint32_t id, MediaTransport& transport, Producer& producer,
                   const ConsumerParameters& parameters, const MediaTime& time, FirstIndices first,
                   std::shared_ptr<ConsumerStats> stats)
    : id_(id),
      transport_(transport),
      producer_(producer),
      parameters_(parameters),
      time_(time),
      header_(parameters.mid, parameters.headerExtensions, parameters.playoutDelayMaxMs),
      sequence_(first.media),
      rtxIndex_(first.rtx),
      stats_(std::move(stats)),
      nextFrame_(producer.history().nextFrame()),
      waitsForKeyframe_(producer.video()) {}

void Consumer::start(int64_t nowUs) {
  if (!startReplay(-1)) {
    producer_.requestKeyframe(nowUs);
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
  const FrameHistory& history = producer_.history();
  stats_->framesDropped += static_cast<uint64_t>(paused_ ? 0 : history.nextFrame() - nextFrame_);
  nextFrame_ = history.nextFrame();
  nextPayload_ = 0;
  if (video()) {
    waitsForKeyframe_ = true;
    producer_.requestKeyframe(nowUs);
  }
}

void Consumer::shed(int64_t nowUs) {
  if (!video() || !hasWork()) {
    return;
  }
  stats_->framesDropped += static_cast<uint64_t>(producer_.history().nextFrame() - nextFrame_) - 1;
  nextFrame_ = producer_.history().nextFrame() - 1;
  nextPayload_ = 0;
  waitsForKeyframe_ = true;
  shed_ = true;
  producer_.congestion(nowUs);
}

void Consumer::onFrame(const EncodedFrame& frame, bool reachable, int64_t nowUs) {
  const FrameHistory& history = producer_.history();
  if (paused_) {
    nextFrame_ = history.nextFrame();
    nextPayload_ = 0;
    return;
  }
  if (!reachable) {
    skipToKeyframe(nowUs);
    return;
  }
  if (waitsForKeyframe_) {
    if (frame.keyframe && (!shed_ || producer_.readmits(nowUs))) {
      waitsForKeyframe_ = false;
      shed_ = false;
      nextFrame_ = frame.number;
    } else if (shed_) {
      stats_->framesDropped += 1;
      nextFrame_ = history.nextFrame();
      if (!producer_.congested(nowUs)) {
        producer_.requestKeyframe(nowUs);
      }
    } else if (!startReplay(-1)) {
      stats_->framesDropped += 1;
      nextFrame_ = history.nextFrame();
      // The request may have been lost on its way to the encoder; the policy keeps the repetitions apart.
      producer_.requestKeyframe(nowUs);
    }
    return;
  }
  const EncodedFrame* const next = history.frame(nextFrame_);
  if (next == nullptr || history.bytesSince(*next) > maxBacklogBytes()) {
    const int64_t behind = nextFrame_;
    if (video() && startReplay(behind)) {
      stats_->framesDropped += static_cast<uint64_t>(nextFrame_ - behind);
    } else {
      skipToKeyframe(nowUs);
    }
  }
}

uint64_t Consumer::maxBacklogBytes() const {
  return std::max(kMinBacklogBytes,
                  static_cast<uint64_t>(parameters_.targetBitrateBps / 8 * kBacklogSeconds));
}

bool Consumer::startReplay(int64_t afterFrame) {
  const FrameHistory& history = producer_.history();
  const EncodedFrame* const keyframe = history.lastKeyframe();
  // Any viewer that overflows may go on at a keyframe it has not reached yet; to begin with an old one is an
  // option.
  if (keyframe == nullptr || keyframe->number <= afterFrame || (afterFrame < 0 && !producer_.gopReplay()) ||
      history.bytesSince(*keyframe) > maxBacklogBytes() * 3 / 4 ||
      history.nextFrame() - keyframe->number > kMaxReplayFrames) {
    return false;
  }
  waitsForKeyframe_ = false;
  nextFrame_ = keyframe->number;
  nextPayload_ = 0;
  replayEnd_ = history.nextFrame();
  return true;
}

size_t Consumer::packetsWaiting() const {
  const FrameHistory& history = producer_.history();
  const EncodedFrame* const frame = hasWork() ? history.frame(nextFrame_) : nullptr;
  return frame == nullptr ? 0 : static_cast<size_t>(history.nextPacket() - frame->firstPacket - nextPayload_);
}

RtpHeaderFields Consumer::headerOf(const EncodedFrame& frame, uint32_t index) const {
  RtpHeaderFields fields;
  fields.ssrc = parameters_.ssrc;
  fields.payloadType = parameters_.payloadType;
  // RFC 6184 section 5.1 and RFC 7741 section 4.1: the last packet of a picture. Opus marks talk spurts, of
  // which continuous sound has none.
  fields.marker = video() && index + 1 == frame.payloadCount();
  fields.rtpTimestamp = frame.rtpTimestamp;
  fields.captureTime = frame.captureTime;
  return fields;
}

Consumer::Burst Consumer::sendBurst(PacketWriter& writer, size_t maxPackets, bool more, int64_t nowUs) {
  Burst burst;
  uint64_t payloadBytes = 0;
  FrameHistory& history = producer_.history();
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
    RtpHeaderFields fields = headerOf(*frame, nextPayload_);
    const uint32_t count = frame->payloadCount();
    for (; nextPayload_ < count && burst.packets < maxPackets; nextPayload_ += 1) {
      fields.marker = video() && nextPayload_ + 1 == count;
      const Bytes payload = frame->payload(nextPayload_);
      const int64_t index = sequence_.take(frame->firstPacket + nextPayload_, oldestPacket);
      burst.packets += 1;
      // In the middle of a frame all are of one length, or else end a group.
      const bool padded = more && fields.marker;
      burst.bytes += writer.writeRtp(header_, fields, index, {}, payload, padded, nowUs);
      payloadBytes += payload.size();
    }
    if (nextPayload_ == count) {
      nextFrame_ += 1;
      nextPayload_ = 0;
    }
  }
  stats_->packetsSent += burst.packets;
  stats_->bytesSent += payloadBytes;
  return burst;
}

void Consumer::reportWhenDue(PacketWriter& writer, int64_t nowUs, uint32_t random) {
  if (nowUs < reportDueUs_) {
    return;
  }
  // RFC 3550 section 6.3.5 spreads reports at random, so that streams begun together do not report together.
  reportDueUs_ = nowUs + kReportIntervalUs * 8 / 10 + random % (kReportIntervalUs * 4 / 10);
  SenderReport report;
  report.ssrc = parameters_.ssrc;
  report.ntp = time_.ntpOf(nowUs);
  report.rtpTimestamp = rtpTimestampOf(nowUs, producer_.clockRateHz());
  report.packetsSent = static_cast<uint32_t>(stats_->packetsSent.get());
  report.payloadBytesSent = static_cast<uint32_t>(stats_->bytesSent.get());
  std::array<uint8_t, kMaxBuiltRtcpBytes> compound;
  writer.writeRtcp(Bytes(compound).first(buildSenderReport(report, parameters_.cname, compound)));
}

void Consumer::sayBye(PacketWriter& writer) {
  const std::array<uint32_t, 2> ssrcs{parameters_.ssrc, parameters_.rtxSsrc};
  std::array<uint8_t, kMaxBuiltRtcpBytes> compound;
  const size_t bytes =
      buildBye(std::span(ssrcs).first(parameters_.rtxSsrc == 0 ? 1 : 2), parameters_.cname, compound);
  writer.writeRtcp(Bytes(compound).first(bytes));
}

void Consumer::onReport(const ReportBlock& block, int64_t nowUs) {
  stats_->fractionLost = block.fractionLost;
  stats_->packetsLost = block.packetsLost;
  stats_->jitterMs = block.jitter * 1000.0 / producer_.clockRateHz();
  const auto rttMs =
      roundTripMs(time_.ntpOf(nowUs), block.lastSenderReport, block.delaySinceLastSenderReport);
  if (rttMs.has_value()) {
    stats_->rttMs = *rttMs;
  }
}

void Consumer::onPli(int64_t nowUs) {
  stats_->plisReceived += 1;
  producer_.requestKeyframe(nowUs);
}

void Consumer::onFir(uint8_t commandSequence, int64_t nowUs) {
  stats_->firsReceived += 1;
  // RFC 5104 section 4.3.1.2: the same command sequence number is a repetition of the same request.
  if (lastFirSequence_ != commandSequence) {
    lastFirSequence_ = commandSequence;
    producer_.requestKeyframe(nowUs);
  }
}

bool Consumer::wantsResend(uint16_t sequenceNumber, int64_t nowUs) {
  if (resends_ == nullptr) {
    resends_ = std::make_unique<ResendLog>();
  }
  ResendLog::Entry& entry = resends_->entries[sequenceNumber % ResendLog::kPackets];
  const double intervalMs = std::clamp(stats_->rttMs.get(), kResendIntervalMinMs, kResendIntervalMaxMs);
  if (entry.sequenceNumber == sequenceNumber && entry.sentUs != INT64_MIN &&
      static_cast<double>(nowUs - entry.sentUs) < intervalMs * 1000) {
    return false;
  }
  const auto packet = sequence_.packetOf(sequenceNumber);
  if (!packet.has_value()) {
    return false;
  }
  if (!producer_.history().packet(*packet, nowUs).has_value()) {
    // The viewer has been away for longer than the history lasts. It would ask for the keyframe itself, but
    // Chromium does so only every 3 s.
    if (*packet >= producer_.history().lastKeyframePacket()) {
      producer_.requestKeyframe(nowUs);
    }
    return false;
  }
  entry = {nowUs, sequenceNumber};
  return true;
}

Consumer::Burst Consumer::resend(PacketWriter& writer, uint16_t sequenceNumber, int64_t nowUs) {
  const auto packet = sequence_.packetOf(sequenceNumber);
  const auto stored = packet.has_value() ? producer_.history().packet(*packet, nowUs) : std::nullopt;
  if (!stored.has_value() || !canResend()) {
    return {};
  }
  // RFC 4588 section 4: the packet again under the RTX stream's own numbers, its original one in front.
  std::array<uint8_t, 2> original;
  writeU16(original.data(), sequenceNumber);
  RtpHeaderFields fields = headerOf(*stored->frame, stored->index);
  fields.ssrc = parameters_.rtxSsrc;
  fields.payloadType = parameters_.rtxPayloadType;
  const size_t bytes = writer.writeRtp(header_, fields, rtxIndex_++, original,
                                       stored->frame->payload(stored->index), false, nowUs);
  stats_->packetsRetransmitted += 1;
  return {1, bytes};
}

}  // namespace streamkit
