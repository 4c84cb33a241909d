#pragma once

#include "deframer.h"

namespace streamkit {

/** Each packet follows its length in two bytes (RFC 4571 section 2; RFC 6544 section 3 for ICE). */
struct LengthFraming {
  static constexpr size_t kHeaderBytes = 2;
  static constexpr size_t kMaxBytes = kHeaderBytes + 0xffff;

  /** A longer one means that the stream is of another kind. */
  size_t maxPacketBytes;

  std::optional<size_t> messageBytes(Bytes header) const {
    const size_t bytes = readU16(header.data());
    return bytes <= maxPacketBytes ? std::optional(kHeaderBytes + bytes) : std::nullopt;
  }
};

/** Finds the packets in a stream of `LengthFraming`. */
class StreamDeframer {
 public:
  static constexpr size_t kHeaderBytes = LengthFraming::kHeaderBytes;

  explicit StreamDeframer(size_t maxPacketBytes) : deframer_(LengthFraming{maxPacketBytes}) {}

  /** As `Deframer::read`, but packets come without their lengths, and empty ones are passed over. */
  template <typename Callback>
  bool read(MutableBytes data, Callback&& callback) {
    return deframer_.read(data, [&](MutableBytes message) {
      return message.size() == kHeaderBytes || callback(message.subspan(kHeaderBytes));
    });
  }

 private:
  Deframer<LengthFraming> deframer_;
};

}  // namespace streamkit
