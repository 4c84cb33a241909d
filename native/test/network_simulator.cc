#include "network_simulator.h"

#include <algorithm>

#include "core/sequence_number.h"
#include "payload_frame.h"
#include "rtp_extension.h"
#include "stun_message_builder.h"
#include "test.h"

namespace streamkit::test {
namespace {

constexpr int64_t kFrameUs = 33'333;
constexpr int64_t kFeedbackUs = 50'000;
constexpr int64_t kReportUs = 1'000'000;
/** How often a browser looks for packets to ask for once more. */
constexpr int64_t kAskAgainUs = 20'000;
constexpr size_t kPayloadBytes = 1100;
constexpr double kKeyframeFrames = 5;
constexpr size_t kSegmentBytes = 1448;
constexpr int64_t kWallOffsetUs = 1'700'000'000'000'000;

constexpr uint32_t endpointOf(uint32_t viewer) {
  return 1 + viewer * 10;
}
constexpr uint32_t transportOf(uint32_t viewer) {
  return 2 + viewer * 10;
}
constexpr uint32_t producerOf(uint32_t viewer) {
  return 3 + viewer * 10;
}
constexpr uint32_t consumerOf(uint32_t viewer) {
  return 4 + viewer * 10;
}

}  // namespace

NetworkSimulator::NetworkSimulator(uint32_t seed)
    : core({kWallOffsetUs, seed}, *this, *this, stats), random_(seed) {}

NetworkSimulator::~NetworkSimulator() = default;

size_t NetworkSimulator::addLink() {
  links_.push_back(std::make_unique<SimulatedLink>(random()));
  return links_.size() - 1;
}

size_t NetworkSimulator::addViewer(size_t link, bool takesRepairs) {
  viewers_.push_back(std::make_unique<SimulatedViewer>(*this, viewers_.size(), link));
  viewers_.back()->begin(takesRepairs);
  return viewers_.size() - 1;
}

SimulatedTcp& NetworkSimulator::addTcp(size_t link) {
  tcps_.push_back(std::make_unique<SimulatedTcp>(*this, link));
  tcps_.back()->pump();
  return *tcps_.back();
}

void NetworkSimulator::at(int64_t timeUs, std::function<void()> what) {
  events_.push({timeUs, order_++, std::move(what)});
}

void NetworkSimulator::runUntil(int64_t untilUs) {
  while (nowUs < untilUs) {
    const auto dueUs = core.advance(nowUs, 1'000'000);
    int64_t nextUs = std::min(untilUs, dueUs.value_or(untilUs));
    if (!events_.empty()) {
      nextUs = std::min(nextUs, events_.top().timeUs);
    }
    nowUs = std::max(nowUs, nextUs);
    while (!events_.empty() && events_.top().timeUs <= nowUs) {
      const auto what = events_.top().what;
      events_.pop();
      what();
    }
  }
}

void NetworkSimulator::send(int, const SocketAddress& to, Bytes datagrams, size_t segmentBytes) {
  for (const auto& viewer : viewers_) {
    if (!(viewer->address_ == to)) {
      continue;
    }
    for (size_t from = 0; from < datagrams.size(); from += segmentBytes) {
      const Bytes one = datagrams.subspan(from, std::min(segmentBytes, datagrams.size() - from));
      const auto arrivalUs = links_[viewer->link_]->send(one.size(), nowUs);
      if (arrivalUs.has_value() && packetKindOf(one) == PacketKind::kRtp) {
        at(*arrivalUs, [this, &viewer = *viewer, copy = std::vector<uint8_t>(one.begin(), one.end())] {
          viewer.arrive(copy, nowUs);
        });
      }
    }
    return;
  }
}

void NetworkSimulator::onKeyframeWanted(uint32_t producer) {
  for (uint32_t i = 0; i < viewers_.size(); i += 1) {
    viewers_[i]->keyframeWanted = viewers_[i]->keyframeWanted || producerOf(i) == producer;
  }
}

void NetworkSimulator::onEstimate(uint32_t transport, double bitrateBps) {
  for (uint32_t i = 0; i < viewers_.size(); i += 1) {
    SimulatedEncoder& encoder = viewers_[i]->encoder;
    if (transportOf(i) == transport && !encoder.isFixed) {
      encoder.bitrateBps = std::clamp(0.9 * bitrateBps, encoder.minBitrateBps, encoder.maxBitrateBps);
    }
  }
}

SimulatedViewer::SimulatedViewer(NetworkSimulator& network, size_t index, size_t link)
    : network_(network),
      index_(static_cast<uint32_t>(index)),
      link_(link),
      address_(*SocketAddress::fromText("10.0.0.1", static_cast<uint16_t>(5000 + index))),
      srtp_(*SrtpSender::create(SrtpProfile::kAeadAes128Gcm, {})),
      received_(*SrtpReceiver::create(SrtpProfile::kAeadAes128Gcm, {})) {}

SimulatedPlayer& SimulatedViewer::play() {
  reports = true;
  const int64_t delayUs = network_.link(link_).profile.delayUs;
  player_ = std::make_unique<SimulatedPlayer>(delayUs, 2 * delayUs);
  network_.at(network_.nowUs + kAskAgainUs, [this] { askAgain(); });
  return *player_;
}

void SimulatedViewer::askAgain() {
  network_.at(network_.nowUs + kAskAgainUs, [this] { askAgain(); });
  sendNacks(player_->takeRepeatedNacks(network_.nowUs));
}

void SimulatedViewer::sendNacks(const std::vector<uint16_t>& numbers) {
  if (numbers.empty() || silent) {
    return;
  }
  std::vector<uint8_t> compound = fromHex("81cd0000 00000001 00001000");
  for (const uint16_t each : numbers) {
    compound.resize(compound.size() + 4);
    writeU16(&compound[compound.size() - 4], each);
  }
  writeU16(&compound[2], static_cast<uint16_t>(compound.size() / 4 - 1));
  network_.at(network_.nowUs + network_.link(link_).profile.delayUs,
              [this, compound] { sendRtcp(compound); });
}

void SimulatedViewer::begin(bool takesRepairs) {
  MediaCore& core = network_.core;
  const int64_t nowUs = network_.nowUs;
  core.createEndpoint(endpointOf(index_), "ours" + std::to_string(index_), "our-password");
  core.setRemoteCredentials(endpointOf(index_), "theirs", "their-password");
  const StunTransactionId id{static_cast<uint8_t>(index_ + 1)};
  core.sendPacket(endpointOf(index_), 0, address_,
                  nominatingRequest(id, "theirs:ours" + std::to_string(index_), "their-password"), nowUs);
  auto response = authenticResponse(id, "their-password");
  core.receive(0, address_, response, nowUs);
  EXPECT(core.createTransport(transportOf(index_), endpointOf(index_),
                              *SrtpSession::create({SrtpProfile::kAeadAes128Gcm, {}, {}}), stats_));
  core.createProducer(producerOf(index_), {});
  ConsumerParameters parameters;
  parameters.ssrc = 0x1000;
  parameters.payloadType = 96;
  parameters.rtxSsrc = 0x1001;
  parameters.rtxPayloadType = 97;
  parameters.fecSsrc = takesRepairs ? SimulatedPlayer::kFecSsrc : 0;
  parameters.fecPayloadType = takesRepairs ? 98 : 0;
  parameters.mid = "0";
  parameters.headerExtensions = {1, 2, 3, 4};
  parameters.targetBitrateBps = encoder.bitrateBps;
  EXPECT(core.consume(consumerOf(index_), transportOf(index_), producerOf(index_), parameters, consumerStats_,
                      nowUs));
  // Viewers' frames and feedback do not fall together.
  const int64_t phaseUs = network_.random() % kFrameUs;
  network_.at(nowUs + phaseUs, [this] { sendFrame(); });
  network_.at(nowUs + phaseUs + kFeedbackUs, [this] { sendFeedback(); });
  network_.at(nowUs + phaseUs + kReportUs, [this] { sendReport(); });
}

void SimulatedViewer::sendFrame() {
  const double noise = 0.8 + 0.4 * (network_.random() % 1000) / 1000.0;
  double bytes = encoder.bitrateBps / 8 * kFrameUs / 1e6 * noise;
  const bool keyframe = keyframeWanted;
  keyframeWanted = false;
  bytes *= keyframe ? kKeyframeFrames : 1;
  const auto payloads = static_cast<uint32_t>(std::max(1.0, bytes / kPayloadBytes + 0.5));
  const auto each = static_cast<uint32_t>(std::clamp(bytes / payloads, 50.0, 1200.0));
  EncodedFrame frame = payloadFrame(payloads, each, keyframe);
  frame.captureTimeUs = network_.nowUs;
  frame.rtpTimestamp = rtpTimestampOf(network_.nowUs, 90'000);
  network_.core.setTargetBitrate(consumerOf(index_), encoder.bitrateBps);
  network_.core.sendFrame(producerOf(index_), std::move(frame), false, network_.nowUs);
  network_.at(network_.nowUs + kFrameUs, [this] { sendFrame(); });
}

void SimulatedViewer::arrive(std::vector<uint8_t> datagram, int64_t nowUs) {
  const auto view = RtpPacketView::parse(datagram);
  EXPECT(view.has_value());
  const int64_t sequence =
      unwrapSequence(readU16(extensionElement(*view, 2).data()), std::max<int64_t>(0, newestSequence_));
  newestSequence_ = std::max(newestSequence_, sequence);
  arrivals_.emplace(sequence, nowUs + clockOffsetUs);
  arrivedBytes += datagram.size();
  const Bytes capture = extensionElement(*view, 4);
  const double seconds = capture.empty() ? 0
                                         : readU32(capture.data()) +
                                               readU32(capture.data() + 4) / 4294967296.0 - 2'208'988'800.0;
  const auto captureUs = static_cast<int64_t>((seconds - kWallOffsetUs / 1e6) * 1e6);
  if (player_ != nullptr) {
    std::vector<uint8_t> copy = datagram;
    const auto plain = received_.unprotect(copy);
    EXPECT(plain.has_value());
    player_->onPacket(*plain, captureUs, nowUs);
    sendNacks(player_->takeNacks());
  }
  if (view->ssrc != 0x1000) {
    (view->ssrc == 0x1001 ? paddingBytes : repairBytes) += datagram.size();
    return;
  }
  const int64_t videoSequence =
      newestVideo_ < 0 ? view->sequenceNumber : unwrapSequence(view->sequenceNumber, newestVideo_);
  if (newestVideo_ < 0) {
    reportedNewest_ = videoSequence - 1;
  }
  newestVideo_ = std::max(newestVideo_, videoSequence);
  videoPackets_ += 1;
  playoutDelayMs = (readU24(extensionElement(*view, 3).data()) >> 12) * 10;
  ageUs = nowUs - captureUs;
}

void SimulatedViewer::sendFeedback() {
  network_.at(network_.nowUs + kFeedbackUs, [this] { sendFeedback(); });
  if (arrivals_.empty()) {
    return;
  }
  constexpr int64_t kUnitUs = 250;
  // Late ones are reported by feedback that goes back to them.
  const int64_t base = std::min(feedbackBase_, arrivals_.begin()->first);
  const int64_t count = std::min<int64_t>(newestSequence_ + 1 - base, 2000);
  std::vector<uint8_t> body = fromHex("8fcd0000 00000001 00001000");
  body.resize(20);
  writeU16(&body[12], static_cast<uint16_t>(base));
  writeU16(&body[14], static_cast<uint16_t>(count));
  const int64_t reference = arrivals_.begin()->second / 64'000;
  writeU24(&body[16], static_cast<uint32_t>(reference & 0xffffff));
  body[19] = feedbackCount_++;
  std::vector<uint8_t> deltas;
  int64_t ticks = reference * (64'000 / kUnitUs);
  uint16_t chunk = 0xc000;
  int symbols = 0;
  for (int64_t i = 0; i < count; i += 1) {
    const auto arrival = arrivals_.find(base + i);
    uint16_t symbol = 0;
    if (arrival != arrivals_.end()) {
      const int64_t delta = std::clamp<int64_t>(arrival->second / kUnitUs - ticks, -32768, 32767);
      ticks += delta;
      symbol = delta >= 0 && delta < 256 ? 1 : 2;
      if (symbol == 2) {
        deltas.push_back(static_cast<uint8_t>(delta >> 8));
      }
      deltas.push_back(static_cast<uint8_t>(delta));
    }
    chunk = static_cast<uint16_t>(chunk | symbol << (12 - 2 * symbols));
    symbols += 1;
    if (symbols == 7 || i + 1 == count) {
      body.push_back(static_cast<uint8_t>(chunk >> 8));
      body.push_back(static_cast<uint8_t>(chunk));
      chunk = 0xc000;
      symbols = 0;
    }
  }
  body.insert(body.end(), deltas.begin(), deltas.end());
  body.resize((body.size() + 3) / 4 * 4);
  writeU16(&body[2], static_cast<uint16_t>(body.size() / 4 - 1));
  arrivals_.clear();
  feedbackBase_ = newestSequence_ + 1;
  if (!silent && body.size() < 1400 && network_.random() % 1000 >= feedbackLoss * 1000) {
    network_.at(network_.nowUs + network_.link(link_).profile.delayUs, [this, body] { sendRtcp(body); });
  }
}

void SimulatedViewer::sendReport() {
  network_.at(network_.nowUs + kReportUs, [this] { sendReport(); });
  const int64_t expected = newestVideo_ - reportedNewest_;
  const int64_t lost = expected - (videoPackets_ - reportedPackets_);
  reportedNewest_ = newestVideo_;
  reportedPackets_ = videoPackets_;
  reportedLost_ += lost;
  if (silent || !reports || expected <= 0) {
    return;
  }
  auto compound = fromHex("81c90007 00000001 00001000 00000000 00010002 00000384 00000000 00000000");
  compound[12] = static_cast<uint8_t>(std::clamp<int64_t>(lost * 256 / expected, 0, 255));
  writeU24(&compound[13], static_cast<uint32_t>(reportedLost_));
  writeU32(&compound[16], static_cast<uint32_t>(newestVideo_));
  if (player_ != nullptr) {
    // As if a sender report had just come: the middle of the server's time of when it was sent.
    const int64_t sentUs = kWallOffsetUs + network_.nowUs - network_.link(link_).profile.delayUs;
    const auto whole = static_cast<uint32_t>(sentUs / 1'000'000 + 2'208'988'800);
    const auto part = static_cast<uint32_t>(sentUs % 1'000'000 * 65536 / 1'000'000);
    writeU32(&compound[24], whole << 16 | part);
  }
  network_.at(network_.nowUs + network_.link(link_).profile.delayUs,
              [this, compound] { sendRtcp(compound); });
}

void SimulatedViewer::sendRtcp(Bytes compound) {
  std::vector<uint8_t> packet(compound.size() + srtp_.rtcpOverheadBytes());
  EXPECT(srtp_.protectRtcp(compound, packet.data()));
  network_.core.receive(0, address_, packet, network_.nowUs);
}

void SimulatedTcp::pump() {
  while (!stopped && underWay_ < static_cast<size_t>(window_)) {
    underWay_ += 1;
    SimulatedLink& link = network_.link(link_);
    const auto arrivalUs = link.send(kSegmentBytes, network_.nowUs);
    const int64_t answerUs =
        arrivalUs.value_or(network_.nowUs + link.queueUs(network_.nowUs) + link.profile.delayUs) +
        link.profile.delayUs;
    const int64_t sentUs = network_.nowUs;
    network_.at(answerUs, [this, sentUs, arrived = arrivalUs.has_value()] {
      underWay_ -= 1;
      if (arrived) {
        deliveredBytes += kSegmentBytes;
        window_ += window_ < threshold_ ? 1 : 1 / window_;
      } else if (sentUs > halvedUs_) {
        halvedUs_ = network_.nowUs;
        threshold_ = std::max(2.0, window_ / 2);
        window_ = threshold_;
      }
      pump();
    });
  }
}

}  // namespace streamkit::test
