#include "picture_repair.h"

namespace streamkit {

PictureRepair::PictureRepair(uint32_t ssrc, uint8_t payloadType, std::string_view mid,
                             const HeaderExtensionIds& ids, int64_t firstIndex)
    : ssrc_(ssrc),
      payloadType_(payloadType),
      index_(firstIndex),
      header_(mid, {.mid = ids.mid, .transportWideCc = ids.transportWideCc}, 0) {}

void PictureRepair::begin(size_t packets) {
  if (wanted_) {
    if (encoder_ == nullptr) {
      encoder_ = std::make_unique<FlexfecEncoder>();
    }
    encoder_->begin(packets);
  } else {
    encoder_.reset();
  }
}

PictureRepair::Written PictureRepair::add(PacketWriter& writer, const RtpHeaderTemplate& header,
                                          const RtpHeaderFields& fields, uint16_t sequenceNumber,
                                          Bytes payload, int64_t nowUs) {
  std::array<uint8_t, RtpHeaderTemplate::kMaxBytes> plain;
  header.write(fields, plain.data());
  Written written;
  if (!encoder_->add(sequenceNumber, Bytes(plain).first(header.size()), payload)) {
    return written;
  }
  RtpHeaderFields own;
  own.ssrc = ssrc_;
  own.payloadType = payloadType_;
  own.rtpTimestamp = fields.rtpTimestamp;
  for (FlexfecPacket& repair : encoder_->repairs()) {
    const size_t bytes = writer.writeRtp(header_, own, index_, {}, repair.write(fields.ssrc), false, nowUs);
    if (bytes > 0) {
      index_ += 1;
      written.packets += 1;
      written.bytes += bytes;
    }
  }
  encoder_->endPart();
  return written;
}

}  // namespace streamkit
