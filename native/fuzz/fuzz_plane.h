#pragma once

#include "core/media_core.h"
#include "core/srtp_sender.h"
#include "test/silent_listener.h"
#include "test/stun_message_builder.h"

namespace streamkit::fuzz {

/** A core with one viewer that is connected and consumes: what hostile datagrams meet. Nothing leaves it. */
class FuzzPlane final : private DatagramSender {
 public:
  static constexpr uint32_t kSsrc = 0x1000;
  /** A second producer, which the viewer can be switched to. */
  static constexpr uint32_t kOther = 5;

  explicit FuzzPlane(SrtpProfile profile)
      : core({1'700'000'000'000'000, 1}, *this, listener_, stats_), viewer(*SrtpSender::create(profile, {})) {
    core.createEndpoint(1, "ours", "our-password");
    core.setRemoteCredentials(1, "theirs", "their-password");
    core.sendPacket(1, 0, address, test::nominatingRequest({1}, "theirs:ours", "their-password"), nowUs);
    receive(test::authenticResponse({1}, "their-password"));
    core.createTransport(2, 1, *SrtpSession::create({profile, {}, {}}), std::make_shared<TransportStats>());
    ProducerParameters producer;
    producer.gopReplay = true;
    core.createProducer(3, producer);
    core.createProducer(kOther, producer);
    ConsumerParameters consumer;
    consumer.ssrc = kSsrc;
    consumer.rtxSsrc = kSsrc + 1;
    consumer.headerExtensions = {1, 2, 3, 4};
    consumer.targetBitrateBps = 1e9;
    core.consume(4, 2, 3, consumer, std::make_shared<ConsumerStats>(), nowUs);
    sendFrame(true);
  }

  void receive(Bytes datagram) {
    std::vector<uint8_t> copy(datagram.begin(), datagram.end());
    core.receive(0, address, copy, nowUs);
  }

  void receiveRtcp(Bytes compound) {
    std::vector<uint8_t> packet(compound.size() + viewer.rtcpOverheadBytes());
    if (viewer.protectRtcp(compound, packet.data())) {
      receive(packet);
    }
  }

  void switchTo(uint32_t producer) { core.switchConsumer(4, producer, nowUs); }
  void closeProducer(uint32_t producer) { core.closeProducer(producer, nowUs); }

  void sendFrame(bool keyframe, uint32_t producer = 3) {
    EncodedFrame frame;
    frame.bytes = std::make_unique<uint8_t[]>(400);
    frame.offsets = {0, 100, 200, 400};
    frame.keyframe = keyframe;
    core.sendFrame(producer, std::move(frame), false, nowUs);
    advance();
  }

  void advance() {
    nowUs += 5'000;
    core.advance(nowUs, 1000);
  }

 private:
  void send(int, const SocketAddress&, Bytes datagrams, size_t segmentBytes) override {
    if (segmentBytes == 0 || datagrams.size() > PacketBatch::kMaxGroupBytes) {
      __builtin_trap();
    }
  }
  bool blocked(int, const SocketAddress&) const override { return false; }

  PlaneStats stats_;
  test::SilentListener listener_;

 public:
  MediaCore core;
  SrtpSender viewer;
  SocketAddress address = *SocketAddress::fromText("10.0.0.1", 5000);
  int64_t nowUs = 10'000'000;
};

}  // namespace streamkit::fuzz
