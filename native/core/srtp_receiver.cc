#include "srtp_receiver.h"

#include "rtp_header.h"
#include "sequence_number.h"

namespace streamkit {
namespace {

constexpr size_t kRtcpHeaderBytes = 8;
constexpr size_t kIndexBytes = 4;
/** RFC 3711 section 3.4. */
constexpr uint32_t kEncryptedBit = 0x80000000;

std::optional<SrtpCipher> openingCipher(SrtpProfile profile, const SrtpMasterKey& master, SrtpStream stream) {
  const auto keys = deriveSessionKeys(master, stream);
  return keys.has_value() ? SrtpCipher::create(profile, *keys, SrtpCipher::Direction::kOpen) : std::nullopt;
}

}  // namespace

std::optional<SrtcpReceiver> SrtcpReceiver::create(SrtpProfile profile, const SrtpMasterKey& master) {
  auto cipher = openingCipher(profile, master, SrtpStream::kRtcp);
  return cipher.has_value() ? std::optional(SrtcpReceiver(std::move(*cipher))) : std::nullopt;
}

std::optional<Bytes> SrtcpReceiver::unprotect(MutableBytes packet) {
  const size_t overhead = kIndexBytes + cipher_.tagBytes();
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

std::optional<SrtpReceiver> SrtpReceiver::create(SrtpProfile profile, const SrtpMasterKey& master) {
  auto cipher = openingCipher(profile, master, SrtpStream::kRtp);
  return cipher.has_value() ? std::optional(SrtpReceiver(std::move(*cipher))) : std::nullopt;
}

std::optional<Bytes> SrtpReceiver::unprotect(MutableBytes packet) {
  const auto view = RtpPacketView::parse(packet);
  if (!view.has_value() || view->payload.size() < cipher_.tagBytes()) {
    return std::nullopt;
  }
  const auto known = streams_.find(view->ssrc);
  Stream stream = known != streams_.end() ? known->second : Stream{};
  // RFC 3711 section 3.3.1: the roll-over counter is guessed from the newest packet; it begins at zero.
  const int64_t guess = stream.started
                            ? unwrapSequence(view->sequenceNumber, static_cast<int64_t>(stream.newest))
                            : view->sequenceNumber;
  if (guess < 0) {
    return std::nullopt;
  }
  const uint64_t index = static_cast<uint64_t>(guess);
  if (stream.window.seen(index)) {
    return std::nullopt;
  }
  const size_t packetBytes = packet.size() - cipher_.tagBytes();
  const uint8_t* const tag = packet.data() + packetBytes;
  const Bytes header(packet.data(), view->headerBytes);
  if (cipher_.profile() != SrtpProfile::kAeadAes128Gcm) {
    std::array<uint8_t, 4> rollOver;
    writeU32(rollOver.data(), static_cast<uint32_t>(index >> 16));
    if (!cipher_.verify({Bytes(packet.data(), packetBytes), rollOver}, tag)) {
      return std::nullopt;
    }
  }
  const MutableBytes body = packet.subspan(view->headerBytes, packetBytes - view->headerBytes);
  if (!cipher_.open(view->ssrc, index, {header}, body, tag, body.data())) {
    return std::nullopt;
  }
  stream.window.accept(index);
  stream.newest = stream.started ? std::max(stream.newest, index) : index;
  stream.started = true;
  streams_[view->ssrc] = stream;
  return packet.first(packetBytes);
}

}  // namespace streamkit
