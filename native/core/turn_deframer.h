#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "relayed_data.h"
#include "stun_attributes.h"

namespace streamkit {

/**
 * Finds the messages of a TURN server in a byte stream, which say themselves how long they are: STUN
 * messages, and data of channels, padded to a multiple of four bytes (RFC 8656 section 12.5). Anything else
 * means that the stream is none of that kind: nothing more can be read of it.
 */
class TurnDeframer {
 public:
  /**
   * @param data what has come next, in pieces of any size
   * @param callback is given each message with its padding, at most 64 KiB and a header; it may change it
   * @returns false if there is something else
   */
  template <typename Callback>
  bool read(MutableBytes data, Callback&& callback) {
    while (take(data, ChannelData::kHeaderBytes)) {
      const auto bytes = messageBytes();
      if (!bytes.has_value()) {
        return false;
      }
      if (!take(data, *bytes)) {
        break;
      }
      callback(MutableBytes(partial_));
      partial_.clear();
    }
    return true;
  }

 private:
  /** Of the message whose header is there; nothing if it is neither STUN nor data of a channel. */
  std::optional<size_t> messageBytes() const {
    const size_t length = readU16(&partial_[2]);
    const size_t paddedLength = (length + 3) / 4 * 4;
    if (isChannelData(partial_)) {
      return ChannelData::kHeaderBytes + paddedLength;
    }
    return partial_[0] <= 3 && length == paddedLength ? std::optional(kStunHeaderBytes + length)
                                                      : std::nullopt;
  }

  /** Moves bytes from `data` to the message that has begun. @returns whether it has so many now */
  bool take(MutableBytes& data, size_t bytes) {
    const size_t taken = std::min(bytes - std::min(bytes, partial_.size()), data.size());
    partial_.insert(partial_.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(taken));
    data = data.subspan(taken);
    return partial_.size() >= bytes;
  }

  std::vector<uint8_t> partial_;
};

}  // namespace streamkit
