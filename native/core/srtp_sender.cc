#include "srtp_sender.h"

#include <cstring>

namespace streamkit {
namespace {

constexpr size_t kRtcpHeaderBytes = 8;
/** RFC 3711 section 3.4: top bit of the index word. */
constexpr uint32_t kEncryptedBit = 0x80000000;
constexpr uint32_t kMaxRtcpIndex = 0x7fffffff;

}  // namespace

std::optional<SrtpSender> SrtpSender::create(SrtpProfile profile, const SrtpMasterKey& master) {
  const auto rtpKeys = deriveSessionKeys(master, SrtpStream::kRtp);
  const auto rtcpKeys = deriveSessionKeys(master, SrtpStream::kRtcp);
  if (!rtpKeys.has_value() || !rtcpKeys.has_value()) {
    return std::nullopt;
  }
  auto rtp = SrtpCipher::create(profile, *rtpKeys, SrtpCipher::Direction::kSeal);
  auto rtcp = SrtpCipher::create(profile, *rtcpKeys, SrtpCipher::Direction::kSeal);
  if (!rtp.has_value() || !rtcp.has_value()) {
    return std::nullopt;
  }
  return SrtpSender(std::move(*rtp), std::move(*rtcp));
}

bool SrtpSender::protectRtp(uint8_t* packet, size_t headerBytes, uint32_t ssrc, uint64_t index,
                            std::initializer_list<Bytes> parts) {
  uint8_t* const body = packet + headerBytes;
  if (!rtp_.seal(ssrc, index, {Bytes(packet, headerBytes)}, parts, body)) {
    return false;
  }
  if (rtp_.profile() == SrtpProfile::kAeadAes128Gcm) {
    return true;
  }
  // RFC 3711 section 4.2: the code covers the packet and the roll-over counter.
  std::array<uint8_t, 4> rollOver;
  writeU32(rollOver.data(), static_cast<uint32_t>(index >> 16));
  size_t packetBytes = headerBytes;
  for (const Bytes part : parts) {
    packetBytes += part.size();
  }
  return rtp_.authenticate({Bytes(packet, packetBytes), rollOver}, packet + packetBytes);
}

bool SrtpSender::protectRtcp(Bytes compound, uint8_t* out) {
  // RFC 3711 section 9.2: an index is never used twice under one key. 2^31 reports are decades.
  if (compound.size() < kRtcpHeaderBytes || rtcpIndex_ > kMaxRtcpIndex) {
    return false;
  }
  const uint32_t index = rtcpIndex_++;
  std::array<uint8_t, 4> indexWord;
  writeU32(indexWord.data(), kEncryptedBit | index);
  const Bytes header = compound.first(kRtcpHeaderBytes);
  std::memcpy(out, header.data(), header.size());
  if (!rtcp_.seal(readU32(&compound[4]), index, {header, indexWord}, {compound.subspan(kRtcpHeaderBytes)},
                  out + kRtcpHeaderBytes)) {
    return false;
  }
  if (rtcp_.profile() == SrtpProfile::kAeadAes128Gcm) {
    // RFC 7714 section 9.2: the tag ends the ciphertext, the index word comes after it.
    std::memcpy(out + compound.size() + rtcp_.tagBytes(), indexWord.data(), indexWord.size());
    return true;
  }
  std::memcpy(out + compound.size(), indexWord.data(), indexWord.size());
  const size_t authenticatedBytes = compound.size() + indexWord.size();
  return rtcp_.authenticate({Bytes(out, authenticatedBytes)}, out + authenticatedBytes);
}

}  // namespace streamkit
