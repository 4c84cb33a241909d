#include "packet_writer.h"

namespace streamkit {

size_t PacketWriter::writeRtp(const RtpHeaderTemplate& header, RtpHeaderFields fields, int64_t index,
                              Bytes prefix, Bytes payload, int64_t nowUs) {
  const size_t bytes = header.size() + prefix.size() + payload.size() + srtp_.rtpOverheadBytes();
  if (bytes > PacketBatch::kMaxPacketBytes) {
    return 0;
  }
  uint8_t* const packet = batch_.reserve(bytes);
  fields.sequenceNumber = static_cast<uint16_t>(index);
  fields.transportSequenceNumber = transportSequenceNumber_;
  header.write(fields, packet);
  if (!srtp_.protectRtp(packet, header.size(), fields.ssrc, static_cast<uint64_t>(index), prefix, payload)) {
    return 0;
  }
  batch_.commit();
  if (header.hasTransportSequence()) {
    if (logs_ && sentPackets_ == nullptr) {
      sentPackets_ = std::make_unique<SentPacketLog>();
    }
    if (sentPackets_ != nullptr) {
      sentPackets_->add(transportSequenceNumber_, bytes, nowUs);
    }
    transportSequenceNumber_ += 1;
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
