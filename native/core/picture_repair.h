#pragma once

#include <memory>
#include <string_view>

#include "flexfec_encoder.h"
#include "packet_writer.h"

namespace streamkit {

/** The FlexFEC stream beside one viewer's pictures, for as long as the viewer loses packets. */
class PictureRepair {
 public:
  struct Written {
    size_t packets = 0;
    size_t bytes = 0;
  };

  /** @param ssrc of the stream; 0: the viewer takes none. @param firstIndex full count that it begins at */
  PictureRepair(uint32_t ssrc, uint8_t payloadType, std::string_view mid, const HeaderExtensionIds& ids,
                int64_t firstIndex);

  int64_t nextIndex() const { return index_; }
  /** Whether the pictures that begin from now on are to be protected. */
  void setWanted(bool wanted) { wanted_ = wanted && ssrc_ != 0; }
  /** A picture of so many packets begins: the one before is over, sent or not. */
  void begin(size_t packets);
  /** The present picture is protected. */
  bool active() const { return encoder_ != nullptr && encoder_->active(); }
  /** A packet of the picture has been written. Writes what is complete of repair packets behind it. */
  Written add(PacketWriter& writer, const RtpHeaderTemplate& header, const RtpHeaderFields& fields,
              uint16_t sequenceNumber, Bytes payload, int64_t nowUs);

 private:
  uint32_t ssrc_;
  uint8_t payloadType_;
  int64_t index_;
  bool wanted_ = false;
  /** Only of viewers that lose packets. */
  std::unique_ptr<FlexfecEncoder> encoder_;
  RtpHeaderTemplate header_;
};

}  // namespace streamkit
