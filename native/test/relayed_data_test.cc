#include "core/relayed_data.h"

#include "test.h"
#include "turn_message.h"

namespace streamkit::test {
namespace {

const SocketAddress kPeer = *SocketAddress::fromText("192.0.2.1", 32853);

bool isChannelDataOf(std::vector<uint8_t> datagram, uint16_t channel, const std::vector<uint8_t>& data) {
  const auto parsed = ChannelData::parse(datagram);
  return parsed.has_value() && parsed->channel == channel &&
         std::equal(parsed->data.begin(), parsed->data.end(), data.begin(), data.end());
}

}  // namespace

TEST("data of a channel is what its header says, and what follows is padding") {
  const std::vector<uint8_t> data{1, 2, 3};
  EXPECT(isChannelDataOf(fromHex("4000 0003 010203"), 0x4000, data));
  EXPECT(isChannelDataOf(fromHex("4fff 0003 010203"), 0x4fff, data));
  EXPECT(isChannelDataOf(fromHex("4001 0003 010203 00"), 0x4001, data));
  EXPECT(isChannelDataOf(fromHex("4001 0000"), 0x4001, {}));
  std::array<uint8_t, ChannelData::kHeaderBytes> header;
  ChannelData::writeHeader(header.data(), 0x4123, 1200);
  EXPECT(std::vector<uint8_t>(header.begin(), header.end()) == fromHex("4123 04b0"));
}

TEST("data of a channel is refused that is cut off, or of a number that nobody may bind") {
  for (const char* text : {"", "40", "4000 00", "4000 0001", "4000 0004 010203", "4000 ffff 01",
                           "3fff 0001 01", "5000 0001 01", "0001 0000", "8000 0001 01"}) {
    std::vector<uint8_t> datagram = fromHex(text);
    EXPECT(!ChannelData::parse(datagram).has_value());
  }
  EXPECT(isChannelData(fromHex("40")) && isChannelData(fromHex("4f")));
  EXPECT(!isChannelData({}) && !isChannelData(fromHex("3f")) && !isChannelData(fromHex("50")));
}

TEST("a data indication names the peer and has its datagram") {
  std::vector<uint8_t> datagram = dataIndication(kPeer, fromHex("0102030405"));
  const auto parsed = DataIndication::parse(datagram);
  EXPECT(parsed.has_value() && parsed->peer == kPeer);
  EXPECT(parsed.has_value() &&
         std::vector<uint8_t>(parsed->data.begin(), parsed->data.end()) == fromHex("0102030405"));
  // The mapped address of RFC 5769 section 2.3: 2001:db8:1234:5678:11:2233:4455:6677, port 32853.
  std::vector<uint8_t> ipv6 = fromHex(
      "0017 0020 2112a442 b7e7a701bc34d686fa87dfae"
      "0012 0014 0002 a147 0113a9faa5d3f179bc25f4b5bed2b9d9"
      "0013 0001 07000000");
  const auto other = DataIndication::parse(ipv6);
  EXPECT(other.has_value() &&
         other->peer == *SocketAddress::fromText("2001:db8:1234:5678:11:2233:4455:6677", 32853));
  EXPECT(other.has_value() && other->data.size() == 1 && other->data[0] == 7);
}

TEST("a data indication is refused that is cut off, changed in its lengths or lacks a part") {
  const std::vector<uint8_t> whole = dataIndication(kPeer, fromHex("0102030405"));
  for (size_t bytes = 0; bytes < whole.size(); bytes += 1) {
    std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
    EXPECT(!DataIndication::parse(cut).has_value());
    if (bytes >= 20) {
      // Under a length that fits.
      writeU16(&cut[2], static_cast<uint16_t>(bytes - 20));
      EXPECT(!DataIndication::parse(cut).has_value());
    }
  }
  std::vector<uint8_t> noPeer = fromHex("0017 0008 2112a442 000000000000000000000000 0013 0001 07000000");
  EXPECT(!DataIndication::parse(noPeer).has_value());
  std::vector<uint8_t> odd = whole;
  odd[25] = 3;
  EXPECT(!DataIndication::parse(odd).has_value());
  odd = whole;
  odd[0] = 1;
  EXPECT(!DataIndication::parse(odd).has_value());
}

}  // namespace streamkit::test
