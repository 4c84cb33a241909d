#include "core/media_time.h"
#include "core/packet_kind.h"
#include "core/rtp_header.h"
#include "core/sequence_number.h"
#include "core/sequence_runs.h"
#include "rtp_extension.h"
#include "test.h"

namespace streamkit::test {

TEST("a header carries what the JavaScript plane's does, byte for byte") {
  // As test vectors: RtpHeaderTemplate of src/fanout/rtp-header.ts with the same input.
  const RtpHeaderTemplate header("1", {1, 2, 3, 4}, 120);
  RtpHeaderFields fields;
  fields.ssrc = 0x11223344;
  fields.payloadType = 96;
  fields.marker = true;
  fields.sequenceNumber = 0xfffe;
  fields.rtpTimestamp = 0x01020304;
  fields.transportSequenceNumber = 0xabcd;
  fields.captureTime = {0xe0000001, 0x80000000};
  std::vector<uint8_t> packet(header.size());
  header.write(fields, packet.data());
  EXPECT(packet ==
         fromHex("90e0fffe 01020304 11223344 bede0005 1031 21abcd 3200000c 47e000000180000000 0000"));
  const auto view = RtpPacketView::parse(packet);
  EXPECT(view.has_value() && view->marker && view->payloadType == 96 && view->sequenceNumber == 0xfffe);
  EXPECT(readU16(extensionElement(*view, 2).data()) == 0xabcd);
  EXPECT(extensionElement(*view, 4).size() == 8);
  EXPECT(extensionElement(*view, 5).empty());
}

TEST("a header's playout delay can be set later, up to what its fields hold") {
  RtpHeaderTemplate header("1", {1, 2, 3, 4}, 200);
  const auto delay = [&] {
    std::vector<uint8_t> packet(header.size());
    header.write({}, packet.data());
    return readU24(extensionElement(*RtpPacketView::parse(packet), 3).data());
  };
  EXPECT_EQ(delay(), 0x000014);
  header.setPlayoutDelay(70, 200);
  EXPECT_EQ(delay(), 0x007014);
  header.setPlayoutDelay(1'000'000, 1'000'000);
  EXPECT_EQ(delay(), 0xffffff);
  RtpHeaderTemplate without("1", {1, 2, 0, 4}, 200);
  std::vector<uint8_t> before(without.size());
  without.write({}, before.data());
  without.setPlayoutDelay(70, 200);
  std::vector<uint8_t> after(without.size());
  without.write({}, after.data());
  EXPECT(before == after);
}

TEST("a header without extensions is the fixed one") {
  const RtpHeaderTemplate header("video", {}, 0);
  EXPECT_EQ(header.size(), 12);
  EXPECT(!header.hasTransportSequence());
}

TEST("a layer of a simulcast names itself, and a retransmission what it repairs") {
  const RtpHeaderTemplate header("1", {.mid = 1, .transportWideCc = 2, .rid = 5, .repairedRid = 6}, 0, "h");
  std::vector<uint8_t> packet(header.size());
  header.write({}, packet.data());
  EXPECT(packet == fromHex("90000000 00000000 00000000 bede0002 1031 5068 210000 00"));
  RtpHeaderFields retransmission;
  retransmission.repair = true;
  header.write(retransmission, packet.data());
  EXPECT(packet == fromHex("90000000 00000000 00000000 bede0002 1031 6068 210000 00"));
  const RtpHeaderTemplate alone("1", {.mid = 1, .repairedRid = 6}, 0, "h");
  alone.write(retransmission, packet.data());
  EXPECT(Bytes(packet).first(alone.size()).size() == 20);
  EXPECT(extensionElement(*RtpPacketView::parse(Bytes(packet).first(alone.size())), 6).empty());
}

TEST("an extension of an id or a size that RFC 8285 has not is left out") {
  EXPECT_EQ(RtpHeaderTemplate("a mid that is far too long", {1, 0, 0, 0}, 0).size(), 12);
  EXPECT_EQ(RtpHeaderTemplate("0", {15, 0, 0, 0}, 0).size(), 12);
}

TEST("RTP whose lengths do not fit is not read") {
  const auto packet =
      fromHex("90e0fffe 01020304 11223344 bede0005 1031 21abcd 3200000c 47e000000180000000 0000");
  for (size_t length = 0; length < packet.size(); length += 1) {
    EXPECT(!RtpPacketView::parse(Bytes(packet).first(length)).has_value());
  }
  EXPECT(!RtpPacketView::parse(fromHex("8f600001 00000000 00000000")).has_value());
  EXPECT(!RtpPacketView::parse(fromHex("40600001 00000000 00000000")).has_value());
}

TEST("a datagram's first bytes tell what it is") {
  EXPECT(packetKindOf(fromHex("0001")) == PacketKind::kStun);
  EXPECT(packetKindOf(fromHex("16fe")) == PacketKind::kDtls);
  EXPECT(packetKindOf(fromHex("8060")) == PacketKind::kRtp);
  EXPECT(packetKindOf(fromHex("80e0")) == PacketKind::kRtp);
  EXPECT(packetKindOf(fromHex("80c8")) == PacketKind::kRtcp);
  EXPECT(packetKindOf(fromHex("8fcd")) == PacketKind::kRtcp);
  EXPECT(packetKindOf(fromHex("4000")) == PacketKind::kUnknown);
  EXPECT(packetKindOf(fromHex("ff00")) == PacketKind::kUnknown);
  EXPECT(packetKindOf(fromHex("00")) == PacketKind::kUnknown);
  EXPECT(packetKindOf({}) == PacketKind::kUnknown);
}

TEST("sequence numbers compare across the wrap") {
  EXPECT_EQ(sequenceDistance(65535, 0), 1);
  EXPECT_EQ(sequenceDistance(0, 65535), -1);
  EXPECT_EQ(sequenceDistance(10, 0x8009), 0x7fff);
  EXPECT_EQ(unwrapSequence(2, 65530), 65538);
  EXPECT_EQ(unwrapSequence(65530, 65538), 65530);
  EXPECT_EQ(unwrapSequence(0xffff, 0), -1);
}

TEST("runs map a viewer's numbers to the source's packets, across gaps, a replay and the wrap") {
  SequenceRuns runs(0x7ffe);
  for (int64_t packet = 100; packet < 110; packet += 1) {
    runs.sent(packet, 0);
  }
  for (int64_t packet = 500; packet < 70'000; packet += 1) {
    runs.sent(packet, 90);
  }
  // Back in the source: as a replay for a viewer that has fallen behind.
  EXPECT_EQ(runs.next(), 0x7ffe + 10 + 69'500);
  runs.sent(69'000, 90);
  EXPECT_EQ(runs.packetOf(static_cast<uint16_t>(0x7ffe + 10 + 69'500)).value_or(-1), 69'000);
  EXPECT_EQ(runs.packetOf(static_cast<uint16_t>(0x7ffe + 10 + 69'499)).value_or(-1), 69'999);
  EXPECT(!runs.packetOf(static_cast<uint16_t>(0x7ffe + 10 + 69'501)).has_value());
}

TEST("a number that was never sent maps to nothing") {
  SequenceRuns runs(5);
  EXPECT(!runs.packetOf(5).has_value());
  runs.sent(0, 0);
  EXPECT_EQ(runs.packetOf(5).value_or(-1), 0);
  EXPECT(!runs.packetOf(4).has_value());
  EXPECT(!runs.packetOf(6).has_value());
}

TEST("the runs kept are bounded") {
  SequenceRuns runs(0);
  for (int64_t packet = 0; packet < 100'000; packet += 2) {
    runs.sent(packet, 0);
  }
  EXPECT_EQ(runs.packetOf(static_cast<uint16_t>(49'999)).value_or(-1), 99'998);
  EXPECT(!runs.packetOf(static_cast<uint16_t>(49'999 - SequenceRuns::kMaxRuns - 1)).has_value());
}

TEST("RTP timestamps and NTP times are those of the JavaScript plane") {
  EXPECT_EQ(rtpTimestampOf(1'234'567'890'123, 90'000),
            (1'234'567LL * 90'000 + 890'123LL * 90'000 / 1'000'000) % (1LL << 32));
  const MediaTime time(1'700'000'000'000'000 - 5'000'000);
  const NtpTime ntp = time.ntpOf(5'500'000);
  EXPECT_EQ(ntp.seconds, 1'700'000'000 + 2'208'988'800);
  EXPECT_EQ(ntp.fraction, 0x80000000);
  EXPECT_EQ(*roundTripMs({0x12345678, 0x80000000}, 0x56787000, 0x0800), 31);
  EXPECT(!roundTripMs({0x12345678, 0}, 0, 0).has_value());
  EXPECT(!roundTripMs({0x12345678, 0}, 0x56780001, 0).has_value());
}

}  // namespace streamkit::test
