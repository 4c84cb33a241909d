#include "srtp_receiver.h"

#include "core/rtp_header.h"
#include "core/sequence_number.h"

namespace streamkit::test {

std::optional<SrtpReceiver> SrtpReceiver::create(SrtpProfile profile, const SrtpMasterKey& master) {
  const auto keys = deriveSessionKeys(master, SrtpStream::kRtp);
  auto cipher =
      keys.has_value() ? SrtpCipher::create(profile, *keys, SrtpCipher::Direction::kOpen) : std::nullopt;
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

}  // namespace streamkit::test
