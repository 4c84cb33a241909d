#include "virtual_network.h"

#include "payload_frame.h"
#include "stun_message_builder.h"
#include "test.h"

namespace streamkit::test {
namespace {

SrtpMasterKey masterOf(uint8_t fill) {
  SrtpMasterKey master;
  master.key.fill(fill);
  for (size_t i = 0; i < 12; i += 1) {
    master.salt[i] = static_cast<uint8_t>(fill + 1);
  }
  return master;
}

constexpr uint8_t kRtxPayloadType = 97;
constexpr uint8_t kFecPayloadType = 98;

}  // namespace

void VirtualNetwork::send(int, const SocketAddress& to, Bytes datagrams, size_t segmentBytes) {
  size_t packets = 0;
  for (size_t at = 0; at < datagrams.size(); at += segmentBytes) {
    packets += 1;
    const Bytes one = datagrams.subspan(at, std::min(segmentBytes, datagrams.size() - at));
    if (std::uniform_real_distribution<double>(0, 1)(random_) < loss_) {
      lost_ += 1;
    } else {
      underWay_.insert({nowUs_ + kDelayUs, {to, {one.begin(), one.end()}}});
    }
  }
  calls_.push_back({nowUs_, packets, segmentBytes});
}

std::vector<VirtualNetwork::Datagram> VirtualNetwork::take() {
  std::vector<Datagram> arrived;
  const auto end = underWay_.upper_bound(nowUs_);
  for (auto each = underWay_.begin(); each != end; ++each) {
    arrived.push_back(std::move(each->second));
  }
  underWay_.erase(underWay_.begin(), end);
  return arrived;
}

Bench::Bench(uint32_t seed, SrtpProfile profile)
    : network(seed),
      core({1'700'000'000'000'000, seed}, network, events, stats),
      profile_(profile),
      ours_(masterOf(1)),
      theirs_(masterOf(9)),
      srtp_(*SrtpReceiver::create(profile, ours_)),
      srtcp_(*SrtcpReceiver::create(profile, ours_)),
      sender_(*SrtpSender::create(profile, theirs_)) {
  network.setTime(nowUs);
}

void Bench::connect() {
  core.createEndpoint(kEndpoint, "ours", "our-password");
  core.setRemoteCredentials(kEndpoint, "theirs", "their-password");
  select(viewer);
  createTransport();
}

void Bench::select(const SocketAddress& remote) {
  const StunTransactionId id{++transaction_};
  core.sendPacket(kEndpoint, 0, remote, nominatingRequest(id, "theirs:ours", "their-password"), nowUs);
  receiveFrom(remote, authenticResponse(id, "their-password"));
}

void Bench::createTransport() {
  EXPECT(core.createTransport(kTransport, kEndpoint, *SrtpSession::create({profile_, ours_, theirs_}),
                              transportStats_));
}

void Bench::createVideo(bool gopReplay, uint32_t id) {
  ProducerParameters parameters;
  parameters.gopReplay = gopReplay;
  core.createProducer(id, parameters);
}

void Bench::createAudio() {
  ProducerParameters parameters;
  parameters.video = false;
  parameters.clockRateHz = 48'000;
  core.createProducer(kAudio, parameters);
}

void Bench::consume(uint32_t id, uint32_t producer, uint32_t ssrc, uint32_t rtxSsrc, double targetBitrateBps,
                    std::shared_ptr<ConsumerStats> consumerStats, uint8_t redPayloadType, uint32_t fecSsrc,
                    bool forwarded) {
  ConsumerParameters parameters;
  parameters.ssrc = ssrc;
  parameters.payloadType = 96;
  parameters.rtxSsrc = rtxSsrc;
  parameters.redPayloadType = redPayloadType;
  parameters.packetTimeMaxMs = packetTimeMaxMs;
  parameters.rtxPayloadType = rtxSsrc == 0 ? 0 : kRtxPayloadType;
  parameters.fecSsrc = fecSsrc;
  parameters.fecPayloadType = fecSsrc == 0 ? 0 : kFecPayloadType;
  parameters.mid = "0";
  parameters.cname = "cname";
  parameters.headerExtensions = {1, 2, 3, 4};
  parameters.targetBitrateBps = targetBitrateBps;
  parameters.forwarded = forwarded;
  EXPECT(core.consume(id, kTransport, producer, parameters, std::move(consumerStats), nowUs));
}

void Bench::consumeVideo(double targetBitrateBps, bool takesRepairs, bool forwarded) {
  videoStats_ = std::make_shared<ConsumerStats>();
  consume(kVideoConsumer, kVideo, kVideoSsrc, kRtxSsrc, targetBitrateBps, videoStats_, 0,
          takesRepairs ? kFecSsrc : 0, forwarded);
}

void Bench::consumeAudio(uint8_t redPayloadType) {
  consume(kAudioConsumer, kAudio, kAudioSsrc, 0, 64'000, std::make_shared<ConsumerStats>(), redPayloadType);
}

void Bench::sendVideo(uint32_t payloads, bool keyframe, uint32_t bytesEach, uint32_t producer,
                      int64_t captureTimeUs) {
  EncodedFrame frame = payloadFrame(payloads, bytesEach, keyframe);
  // The first bytes of each payload tell which it is.
  for (uint32_t i = 0; i < payloads; i += 1) {
    writeU32(&frame.bytes[i * bytesEach], frames_ << 16 | i);
  }
  frames_ += 1;
  frame.captureTimeUs = captureTimeUs == 0 ? nowUs : captureTimeUs;
  frame.rtpTimestamp = rtpTimestampOf(frame.captureTimeUs, 90'000);
  core.sendFrame(producer, std::move(frame), false, nowUs);
}

void Bench::sendAudio() {
  EncodedFrame frame = payloadFrame(1, 160);
  frame.captureTimeUs = nowUs;
  core.sendFrame(kAudio, std::move(frame), false, nowUs);
}

void Bench::runUntil(int64_t untilUs) {
  while (nowUs < untilUs) {
    const auto dueUs = core.advance(nowUs, 1'000'000);
    const int64_t stepUs = 1000;
    EXPECT(!dueUs.has_value() || *dueUs > nowUs);
    nowUs = std::min(untilUs, dueUs.has_value() ? std::min(*dueUs, nowUs + stepUs) : nowUs + stepUs);
    network.setTime(nowUs);
    for (const auto& datagram : network.take()) {
      deliver(datagram, nowUs);
    }
  }
  core.advance(nowUs, 1'000'000);
}

void Bench::deliver(const VirtualNetwork::Datagram& datagram, int64_t atUs) {
  std::vector<uint8_t> bytes = datagram.bytes;
  const PacketKind kind = packetKindOf(bytes);
  if (kind == PacketKind::kRtcp) {
    const auto compound = srtcp_.unprotect(bytes);
    undecryptable += compound.has_value() ? 0 : 1;
    if (compound.has_value()) {
      receivedRtcp.emplace_back(compound->begin(), compound->end());
    }
    return;
  }
  if (kind != PacketKind::kRtp) {
    receivedOther.push_back(bytes);
    return;
  }
  const auto plain = srtp_.unprotect(bytes);
  if (!plain.has_value()) {
    undecryptable += 1;
    return;
  }
  ReceivedRtp packet;
  packet.bytes.assign(plain->begin(), plain->end());
  packet.view = *RtpPacketView::parse(packet.bytes);
  packet.mediaSequenceNumber = packet.view.sequenceNumber;
  packet.arrivedUs = atUs;
  uint32_t ssrc = packet.view.ssrc;
  if (ssrc == kRtxSsrc) {
    EXPECT_EQ(packet.view.payloadType, kRtxPayloadType);
    retransmissions += 1;
    packet.mediaSequenceNumber = readU16(packet.view.payload.data());
    packet.view.payload = packet.view.payload.subspan(2);
    ssrc = kVideoSsrc;
  }
  received[ssrc].push_back(std::move(packet));
}

void Bench::receiveFrom(const SocketAddress& from, Bytes datagram) {
  std::vector<uint8_t> copy(datagram.begin(), datagram.end());
  core.receive(0, from, copy, nowUs);
}

void Bench::sendRtcp(Bytes compound) {
  std::vector<uint8_t> packet(compound.size() + sender_.rtcpOverheadBytes());
  EXPECT(sender_.protectRtcp(compound, packet.data()));
  receive(packet);
}

void Bench::nack(const std::vector<uint16_t>& sequenceNumbers) {
  std::vector<uint8_t> compound = fromHex("81cd0000 00000001 00001000");
  for (const uint16_t each : sequenceNumbers) {
    compound.resize(compound.size() + 4);
    writeU16(&compound[compound.size() - 4], each);
  }
  writeU16(&compound[2], static_cast<uint16_t>(compound.size() / 4 - 1));
  sendRtcp(compound);
}

}  // namespace streamkit::test
