#include <cstring>

#include "core/rtp_header.h"
#include "core/srtcp_receiver.h"
#include "core/srtp_sender.h"
#include "srtp_receiver.h"
#include "test.h"

namespace streamkit::test {
namespace {

template <size_t kSize>
std::array<uint8_t, kSize> arrayOf(const std::string& hex) {
  std::array<uint8_t, kSize> result{};
  const auto bytes = fromHex(hex);
  std::copy(bytes.begin(), bytes.end(), result.begin());
  return result;
}

SrtpMasterKey someMaster(uint8_t start) {
  SrtpMasterKey master;
  for (size_t i = 0; i < master.key.size(); i += 1) {
    master.key[i] = static_cast<uint8_t>(start + i);
  }
  for (size_t i = 0; i < 12; i += 1) {
    master.salt[i] = static_cast<uint8_t>(start * 3 + i);
  }
  return master;
}

std::vector<uint8_t> rtpPacket(SrtpSender& sender, int64_t index, uint32_t ssrc, Bytes payload) {
  const RtpHeaderTemplate header("0", {1, 2, 3, 4}, 0);
  RtpHeaderFields fields;
  fields.ssrc = ssrc;
  fields.sequenceNumber = static_cast<uint16_t>(index);
  std::vector<uint8_t> packet(header.size() + payload.size() + sender.rtpOverheadBytes());
  header.write(fields, packet.data());
  EXPECT(sender.protectRtp(packet.data(), header.size(), ssrc, static_cast<uint64_t>(index), {payload}));
  return packet;
}

std::vector<uint8_t> rtcpPacket(SrtpSender& sender, Bytes compound) {
  std::vector<uint8_t> packet(compound.size() + sender.rtcpOverheadBytes());
  EXPECT(sender.protectRtcp(compound, packet.data()));
  return packet;
}

const SrtpProfile kProfiles[] = {SrtpProfile::kAes128CmSha1_80, SrtpProfile::kAeadAes128Gcm};
const std::vector<uint8_t> kCompound = fromHex("80c90001 12345678 81ce0002 12345678 0a0b0c0d");

}  // namespace

TEST("AES-CM makes the key stream of RFC 3711 B.2") {
  SrtpSessionKeys keys;
  keys.encryption = arrayOf<16>("2B7E151628AED2A6ABF7158809CF4F3C");
  keys.salt = arrayOf<14>("F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
  auto cipher = SrtpCipher::create(SrtpProfile::kAes128CmSha1_80, keys, SrtpCipher::Direction::kSeal);
  const std::vector<uint8_t> zeros(48);
  std::vector<uint8_t> stream(48);
  EXPECT(cipher->seal(0, 0, {}, {zeros}, stream.data()));
  EXPECT(stream == fromHex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB"
                           "41E95B3BB0A2E8DD477901E4FCA894C0"));
}

TEST("session keys are derived as in RFC 3711 B.3") {
  SrtpMasterKey master;
  master.key = arrayOf<16>("E1F97A0D3E018BE0D64FA32C06DE4139");
  master.salt = arrayOf<14>("0EC675AD498AFEEBB6960B3AABE6");
  const auto keys = deriveSessionKeys(master, SrtpStream::kRtp);
  EXPECT(keys->encryption == arrayOf<16>("C61E7A93744F39EE10734AFE3FF7A087"));
  EXPECT(keys->salt == arrayOf<14>("30CBBC08863D8C85D49DB34A9AE1"));
  EXPECT(keys->authentication == arrayOf<20>("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

TEST("GCM seals the RTP packet of RFC 7714 16.1.1") {
  SrtpSessionKeys keys;
  keys.encryption = arrayOf<16>("000102030405060708090a0b0c0d0e0f");
  keys.salt = arrayOf<14>("517569642070726f2071756f0000");
  auto cipher = SrtpCipher::create(SrtpProfile::kAeadAes128Gcm, keys, SrtpCipher::Direction::kSeal);
  const auto header = fromHex("8040f17b 8041f8d3 5501a0b2");
  const auto payload =
      fromHex("47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573");
  std::vector<uint8_t> sealed(payload.size() + 16);
  EXPECT(cipher->seal(0x5501a0b2, 0xf17b, {header}, {payload}, sealed.data()));
  const auto expected = fromHex(
      "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833"
      "899d7f27 beb16a91 52cf765e e4390cce");
  EXPECT(sealed == expected);
}

TEST("GCM seals the RTCP packet of RFC 7714 17.1") {
  SrtpSessionKeys keys;
  keys.encryption = arrayOf<16>("000102030405060708090a0b0c0d0e0f");
  keys.salt = arrayOf<14>("517569642070726f2071756f0000");
  auto cipher = SrtpCipher::create(SrtpProfile::kAeadAes128Gcm, keys, SrtpCipher::Direction::kSeal);
  const auto header = fromHex("81c8000d 4d617273");
  const auto index = fromHex("800005d4");
  const auto body = fromHex(
      "4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef");
  std::vector<uint8_t> sealed(body.size() + 16);
  EXPECT(cipher->seal(0x4d617273, 0x5d4, {header, index}, {body}, sealed.data()));
  EXPECT(sealed == fromHex("63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46"
                           "86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade"));
}

TEST("what is sent is received, across two wraps of the sequence number and with losses at each") {
  for (const SrtpProfile profile : kProfiles) {
    auto sender = SrtpSender::create(profile, someMaster(7));
    auto receiver = SrtpReceiver::create(profile, someMaster(7));
    const std::vector<uint8_t> payload(100, 0x5a);
    size_t opened = 0;
    size_t sent = 0;
    for (int64_t index = 0x7fff; index < 0x20100; index += 97) {
      auto packet = rtpPacket(*sender, index, 99, payload);
      sent += 1;
      const auto plain = receiver->unprotect(packet);
      const auto view = plain.has_value() ? RtpPacketView::parse(*plain) : std::nullopt;
      opened += view.has_value() && std::equal(payload.begin(), payload.end(), view->payload.begin()) ? 1 : 0;
    }
    EXPECT_EQ(opened, sent);
  }
}

TEST("a prefix is encrypted with its payload as one") {
  for (const SrtpProfile profile : kProfiles) {
    auto sender = SrtpSender::create(profile, someMaster(7));
    auto receiver = SrtpReceiver::create(profile, someMaster(7));
    const RtpHeaderTemplate header("", {}, 0);
    RtpHeaderFields fields;
    fields.ssrc = 5;
    const auto prefix = fromHex("abcd");
    const std::vector<uint8_t> payload(33, 7);
    std::vector<uint8_t> packet(header.size() + 35 + sender->rtpOverheadBytes());
    header.write(fields, packet.data());
    EXPECT(sender->protectRtp(packet.data(), header.size(), 5, 0, {prefix, payload}));
    const auto plain = receiver->unprotect(packet);
    EXPECT(plain.has_value() && plain->size() == 12 + 35 && (*plain)[12] == 0xab && (*plain)[46] == 7);
  }
}

TEST("SRTP that was changed anywhere, or comes again, is refused") {
  for (const SrtpProfile profile : kProfiles) {
    auto sender = SrtpSender::create(profile, someMaster(7));
    auto receiver = SrtpReceiver::create(profile, someMaster(7));
    const std::vector<uint8_t> payload(20, 1);
    const auto packet = rtpPacket(*sender, 1, 99, payload);
    for (size_t i = 0; i < packet.size(); i += 1) {
      auto changed = packet;
      changed[i] ^= 1;
      EXPECT(!receiver->unprotect(changed).has_value());
    }
    auto first = packet;
    auto again = packet;
    EXPECT(receiver->unprotect(first).has_value());
    EXPECT(!receiver->unprotect(again).has_value());
  }
}

TEST("SRTCP goes there and back; changed, shortened, replayed or under other keys it is refused") {
  for (const SrtpProfile profile : kProfiles) {
    auto sender = SrtpSender::create(profile, someMaster(9));
    auto receiver = SrtcpReceiver::create(profile, someMaster(9));
    auto stranger = SrtcpReceiver::create(profile, someMaster(10));
    const auto packet = rtcpPacket(*sender, kCompound);
    for (size_t i = 0; i < packet.size(); i += 1) {
      auto changed = packet;
      changed[i] ^= 0x10;
      EXPECT(!receiver->unprotect(changed).has_value());
      auto shortened = std::vector<uint8_t>(packet.begin(), packet.begin() + static_cast<long>(i));
      EXPECT(!receiver->unprotect(shortened).has_value());
    }
    auto theirs = packet;
    EXPECT(!stranger->unprotect(theirs).has_value());
    auto mine = packet;
    const auto plain = receiver->unprotect(mine);
    EXPECT(plain.has_value() && std::equal(plain->begin(), plain->end(), kCompound.begin(), kCompound.end()));
    auto again = packet;
    EXPECT(!receiver->unprotect(again).has_value());
  }
}

TEST("SRTCP may come in another order, but not from before the window") {
  auto sender = SrtpSender::create(SrtpProfile::kAeadAes128Gcm, someMaster(9));
  auto receiver = SrtcpReceiver::create(SrtpProfile::kAeadAes128Gcm, someMaster(9));
  std::vector<std::vector<uint8_t>> packets;
  for (int i = 0; i < 80; i += 1) {
    packets.push_back(rtcpPacket(*sender, kCompound));
  }
  EXPECT(receiver->unprotect(packets[70]).has_value());
  EXPECT(receiver->unprotect(packets[40]).has_value());
  EXPECT(receiver->unprotect(packets[7]).has_value());
  EXPECT(!receiver->unprotect(packets[6]).has_value());
  EXPECT(receiver->unprotect(packets[79]).has_value());
}

TEST("the number of SRTCP senders of one viewer is bounded, and a forger cannot fill it") {
  auto sender = SrtpSender::create(SrtpProfile::kAeadAes128Gcm, someMaster(9));
  auto receiver = SrtcpReceiver::create(SrtpProfile::kAeadAes128Gcm, someMaster(9));
  for (uint32_t ssrc = 0; ssrc < 1000; ssrc += 1) {
    std::vector<uint8_t> forged(60, 0x55);
    writeU32(&forged[4], ssrc);
    EXPECT(!receiver->unprotect(forged).has_value());
  }
  size_t accepted = 0;
  for (uint32_t ssrc = 0; ssrc < 100; ssrc += 1) {
    auto compound = kCompound;
    writeU32(&compound[4], ssrc);
    auto packet = rtcpPacket(*sender, compound);
    accepted += receiver->unprotect(packet).has_value() ? 1 : 0;
  }
  EXPECT_EQ(accepted, SrtcpReceiver::kMaxSenders);
}

}  // namespace streamkit::test
