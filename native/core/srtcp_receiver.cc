#include "srtcp_receiver.h"

namespace streamkit {
namespace {

constexpr size_t kRtcpHeaderBytes = 8;
constexpr size_t kIndexBytes = 4;
/** RFC 3711 section 3.4. */
constexpr uint32_t kEncryptedBit = 0x80000000;

}  // namespace

std::optional<SrtcpReceiver> SrtcpReceiver::create(SrtpProfile profile, const SrtpMasterKey& master) {
  const auto keys = deriveSessionKeys(master, SrtpStream::kRtcp);
  auto cipher =
      keys.has_value() ? SrtpCipher::create(profile, *keys, SrtpCipher::Direction::kOpen) : std::nullopt;
  return cipher.has_value() ? std::optional(SrtcpReceiver(std::move(*cipher))) : std::nullopt;
}

std::optional<Bytes> SrtcpReceiver::unprotect(MutableBytes packet) {
  const size_t overhead = overheadBytes();
  if (packet.size() < kRtcpHeaderBytes + overhead) {
    return std::nullopt;
  }
  const bool gcm = cipher_.profile() == SrtpProfile::kAeadAes128Gcm;
  const size_t compoundBytes = packet.size() - overhead;
  // RFC 7714 section 9.2: GCM has the index last; RFC 3711 section 3.4: SHA1_80 has the code last.
  const uint8_t* const tag = packet.data() + compoundBytes + (gcm ? 0 : kIndexBytes);
  const Bytes indexWord(packet.data() + compoundBytes + (gcm ? cipher_.tagBytes() : 0), kIndexBytes);
  const bool encrypted = (readU32(indexWord.data()) & kEncryptedBit) != 0;
  const uint32_t index = readU32(indexWord.data()) & ~kEncryptedBit;
  const uint32_t ssrc = readU32(&packet[4]);
  const auto known = windows_.find(ssrc);
  // A viewer that encrypts nothing is no viewer of ours: DTLS-SRTP always does.
  if (!encrypted || (known != windows_.end() ? known->second.seen(index) : windows_.size() >= kMaxSenders)) {
    return std::nullopt;
  }
  if (!gcm && !cipher_.verify({Bytes(packet.data(), compoundBytes + kIndexBytes)}, tag)) {
    return std::nullopt;
  }
  const Bytes header(packet.data(), kRtcpHeaderBytes);
  const MutableBytes body = packet.subspan(kRtcpHeaderBytes, compoundBytes - kRtcpHeaderBytes);
  if (!cipher_.open(ssrc, index, {header, indexWord}, body, tag, body.data())) {
    return std::nullopt;
  }
  windows_[ssrc].accept(index);
  return packet.first(compoundBytes);
}

}  // namespace streamkit
