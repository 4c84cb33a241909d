#include <cmath>

#include "core/rtcp_builder.h"
#include "core/rtcp_parser.h"
#include "core/transport_feedback.h"
#include "test.h"

namespace streamkit::test {
namespace {

struct Told final : RtcpListener {
  void onReport(const ReportBlock& block) override { reports.push_back(block); }
  void onNack(uint32_t ssrc, Bytes items) override {
    nackSsrc = ssrc;
    forEachNacked(items, [this](uint16_t sequenceNumber) { nacked.push_back(sequenceNumber); });
  }
  void onPli(uint32_t ssrc) override { pli = ssrc; }
  void onFir(uint32_t ssrc, uint8_t commandSequence) override {
    fir = ssrc;
    firSequence = commandSequence;
  }
  void onTransportFeedback(Bytes body) override { feedback.assign(body.begin(), body.end()); }
  void onRemb(double bitrateBps) override { remb = bitrateBps; }
  bool nothing() const {
    return reports.empty() && nacked.empty() && pli == 0 && fir == 0 && feedback.empty() && remb == 0;
  }

  std::vector<ReportBlock> reports;
  uint32_t nackSsrc = 0;
  std::vector<uint16_t> nacked;
  uint32_t pli = 0;
  uint32_t fir = 0;
  uint8_t firSequence = 0;
  std::vector<uint8_t> feedback;
  double remb = 0;
};

const std::string kReport = "81c90007 00000001 0000abcd 40fffffe 00010002 000003e8 11112222 00008000";
const std::string kNack = "81cd0004 00000001 0000abcd fffe0005 00100000";
const std::string kPli = "81ce0002 00000001 0000abcd";
const std::string kFir = "84ce0004 00000001 00000000 0000abcd 07000000";
const std::string kRemb = "8fce0005 00000001 00000000 52454d42 010a4567 0000abcd";

}  // namespace

TEST("a compound of report, NACK, PLI, FIR and REMB is told in full") {
  Told told;
  EXPECT(parseRtcp(fromHex(kReport + kNack + kPli + kFir + kRemb), told));
  EXPECT_EQ(told.reports.size(), 1);
  EXPECT_EQ(told.reports[0].ssrc, 0xabcd);
  EXPECT(told.reports[0].fractionLost == 0.25);
  EXPECT_EQ(told.reports[0].packetsLost, -2);
  EXPECT_EQ(told.reports[0].highestSequence, 0x10002);
  EXPECT_EQ(told.reports[0].jitter, 1000);
  EXPECT_EQ(told.reports[0].delaySinceLastSenderReport, 0x8000);
  EXPECT((told.nacked == std::vector<uint16_t>{0xfffe, 0xffff, 1, 0x10}));
  EXPECT_EQ(told.nackSsrc, 0xabcd);
  EXPECT_EQ(told.pli, 0xabcd);
  EXPECT_EQ(told.fir, 0xabcd);
  EXPECT_EQ(told.firSequence, 7);
  EXPECT(told.remb == std::ldexp(0x24567, 2));
}

TEST("a compound with one bad packet tells nothing of the good ones before it") {
  for (const std::string& bad :
       {std::string("81ce0003 00000001 0000abcd"), std::string("01ce0002 00000001 0000abcd"),
        std::string("82c90007 00000001"), std::string("81ce0001 00000001"),
        std::string("a1ce0002 00000001 00000000"), std::string("81cd")}) {
    Told told;
    EXPECT(!parseRtcp(fromHex(kReport + kPli + bad), told));
    EXPECT(told.nothing());
  }
  Told told;
  EXPECT(!parseRtcp({}, told));
}

TEST("padding is taken off, and packets of other kinds are skipped") {
  Told told;
  EXPECT(parseRtcp(fromHex("82cc0002 01020304 05060708" + std::string("a1ce0003 00000001 0000abcd 00000004")),
                   told));
  EXPECT_EQ(told.pli, 0xabcd);
}

TEST("a sender report has the layout of RFC 3550 and its CNAME") {
  std::array<uint8_t, kMaxBuiltRtcpBytes> buffer;
  const size_t bytes = buildSenderReport({0x1234, {5, 6}, 7, 8, 9}, "ab", buffer);
  const std::vector<uint8_t> built(buffer.begin(), buffer.begin() + static_cast<long>(bytes));
  EXPECT(built == fromHex("80c80006 00001234 00000005 00000006 00000007 00000008 00000009"
                          "81ca0003 00001234 01026162 00000000"));
  Told told;
  EXPECT(parseRtcp(built, told));
}

TEST("a BYE names its sources, and the longest CNAME fits") {
  std::array<uint8_t, kMaxBuiltRtcpBytes> buffer;
  const std::array<uint32_t, 2> ssrcs{1, 2};
  const size_t bytes = buildBye(ssrcs, std::string(400, 'x'), buffer);
  EXPECT(bytes <= buffer.size());
  Told told;
  EXPECT(parseRtcp(Bytes(buffer).first(bytes), told));
  EXPECT(std::equal(buffer.begin() + static_cast<long>(bytes) - 12, buffer.begin() + static_cast<long>(bytes),
                    fromHex("82cb0002 00000001 00000002").begin()));
}

TEST("feedback of runs, one-bit and two-bit vectors is read with its arrival times") {
  std::vector<PacketFeedback> packets;
  // Base 0xfffe, 13 packets, reference 2 * 64 ms: a run of 2 small, then two-bit: lost, large, lost x 5,
  // then one-bit: received, lost x 3 (the rest is beyond the count).
  EXPECT(parseTransportFeedback(fromHex("fffe 000d 000002 01 2002 c800 a000 04 08 fffc 28"), packets));
  EXPECT_EQ(packets.size(), 13);
  EXPECT_EQ(packets[0].sequenceNumber, 0xfffe);
  EXPECT_EQ(packets[0].arrivalUs, 128'000 + 1000);
  EXPECT_EQ(packets[1].arrivalUs, 128'000 + 3000);
  EXPECT_EQ(packets[2].sequenceNumber, 0);
  EXPECT(!packets[2].received);
  EXPECT(packets[3].received);
  EXPECT_EQ(packets[3].arrivalUs, 128'000 + 2000);
  EXPECT(!packets[8].received);
  EXPECT(packets[9].received);
  EXPECT_EQ(packets[9].arrivalUs, 128'000 + 12'000);
  EXPECT(!packets[12].received);
}

TEST("feedback that is too short, has an empty run or a reserved symbol is refused") {
  std::vector<PacketFeedback> packets;
  const auto good = fromHex("fffe 000d 000002 01 2002 c800 a000 04 08 fffc 28");
  EXPECT(parseTransportFeedback(good, packets));
  for (size_t length = 0; length < good.size(); length += 1) {
    EXPECT(!parseTransportFeedback(Bytes(good).first(length), packets));
  }
  EXPECT(!parseTransportFeedback(fromHex("0000 0001 000000 00 0000 2001"), packets));
  EXPECT(!parseTransportFeedback(fromHex("0000 0001 000000 00 6001 0000"), packets));
}

TEST("feedback about more packets than can be under way is refused") {
  std::vector<PacketFeedback> packets;
  EXPECT(parseTransportFeedback(fromHex("0000 1000 000000 00 1000"), packets));
  EXPECT_EQ(packets.size(), 4096);
  EXPECT(!parseTransportFeedback(fromHex("0000 1001 000000 00 1001"), packets));
}

TEST("reference times go on across their wrap") {
  ReferenceTime reference;
  constexpr int64_t kModulus = (int64_t{1} << 24) * 64'000;
  EXPECT_EQ(reference.unwrap(kModulus - 64'000), 0);
  EXPECT_EQ(reference.unwrap(64'000), kModulus);
  EXPECT_EQ(reference.unwrap(kModulus - 64'000), 0);
  EXPECT_EQ(reference.unwrap(128'000), kModulus);
}

}  // namespace streamkit::test
