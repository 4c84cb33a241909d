#include "packet_writer.h"

namespace streamkit {
namespace {

/** Above what k payloads of one frame differ by, which is less than k bytes; far below what a send costs. */
constexpr size_t kMaxPaddingBytes = 40;

/** RFC 3550 section 5.1: zeros, and last how many bytes of padding there are. */
constexpr auto kPaddings = [] {
  std::array<std::array<uint8_t, kMaxPaddingBytes>, kMaxPaddingBytes + 1> all{};
  for (size_t bytes = 1; bytes <= kMaxPaddingBytes; bytes += 1) {
    all[bytes][bytes - 1] = static_cast<uint8_t>(bytes);
  }
  return all;
}();

}  // namespace

size_t PacketWriter::writeRtp(const RtpHeaderTemplate& header, RtpHeaderFields fields, int64_t index,
                              Bytes prefix, Bytes payload, bool more, int64_t nowUs) {
  size_t bytes = header.size() + prefix.size() + payload.size() + srtp_.rtpOverheadBytes();
  const size_t missing = more ? batch_.missing(bytes) : 0;
  const Bytes padding = Bytes(kPaddings[missing <= kMaxPaddingBytes ? missing : 0])
                            .first(missing <= kMaxPaddingBytes ? missing : 0);
  bytes += padding.size();
  if (bytes > PacketBatch::kMaxPacketBytes) {
    return 0;
  }
  uint8_t* const packet = batch_.reserve(bytes);
  fields.sequenceNumber = static_cast<uint16_t>(index);
  fields.transportSequenceNumber = static_cast<uint16_t>(transportSequence_);
  fields.padding = !padding.empty();
  header.write(fields, packet);
  if (!srtp_.protectRtp(packet, header.size(), fields.ssrc, static_cast<uint64_t>(index),
                        {prefix, payload, padding})) {
    return 0;
  }
  batch_.commit();
  if (header.hasTransportSequence()) {
    if (sentPackets_ == nullptr) {
      sentPackets_ = std::make_unique<SentPacketLog>();
    }
    sentPackets_->add(fields.transportSequenceNumber, bytes, nowUs);
    estimator_.onSent(bytes, nowUs);
    transportSequence_ += 1;
  }
  return bytes;
}

void PacketWriter::writeRtcp(Bytes compound) {
  const size_t bytes = compound.size() + srtp_.rtcpOverheadBytes();
  if (bytes <= PacketBatch::kMaxPacketBytes && srtp_.protectRtcp(compound, batch_.reserve(bytes))) {
    batch_.commit();
  }
}

}  // namespace streamkit
