#pragma once

#include <algorithm>
#include <vector>

#include "bytes.h"

namespace streamkit {

/**
 * Finds the packets in a byte stream, where each follows its length in two bytes (RFC 4571 section 2; RFC
 * 6544 section 3 for ICE). A length beyond the limit means that the stream is none of that kind: nothing more
 * can be read of it.
 */
class StreamDeframer {
 public:
  static constexpr size_t kHeaderBytes = 2;

  explicit StreamDeframer(size_t maxPacketBytes) : maxPacketBytes_(maxPacketBytes) {}

  /**
   * @param data what has come next, in pieces of any size
   * @param callback is given each packet, which it may change, and returns whether to go on. Empty packets
   * are passed over
   * @returns false if a length is beyond the limit or the callback has returned false
   */
  template <typename Callback>
  bool read(MutableBytes data, Callback&& callback) {
    while (!data.empty()) {
      if (partial_.empty() && data.size() >= kHeaderBytes) {
        const size_t bytes = readU16(data.data());
        if (bytes > maxPacketBytes_) {
          return false;
        }
        if (data.size() >= kHeaderBytes + bytes) {
          if (bytes > 0 && !callback(data.subspan(kHeaderBytes, bytes))) {
            return false;
          }
          data = data.subspan(kHeaderBytes + bytes);
          continue;
        }
      }
      if (!readPart(data)) {
        return false;
      }
      if (partial_.size() < kHeaderBytes || partial_.size() < partBytes()) {
        continue;
      }
      const bool goesOn =
          partBytes() == kHeaderBytes || callback(MutableBytes(partial_).subspan(kHeaderBytes));
      partial_.clear();
      if (!goesOn) {
        return false;
      }
    }
    return true;
  }

 private:
  /** Of the packet that has begun: with its header, or of the header alone as long as that is incomplete. */
  size_t partBytes() const {
    return kHeaderBytes + (partial_.size() < kHeaderBytes ? 0 : readU16(partial_.data()));
  }

  /** Takes what belongs to the packet that has begun off `data`. @returns false if it is too long */
  bool readPart(MutableBytes& data) {
    const size_t taken = std::min(partBytes() - partial_.size(), data.size());
    partial_.insert(partial_.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(taken));
    data = data.subspan(taken);
    return partBytes() <= kHeaderBytes + maxPacketBytes_;
  }

  size_t maxPacketBytes_;
  std::vector<uint8_t> partial_;
};

}  // namespace streamkit
