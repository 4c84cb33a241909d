#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "bytes.h"

namespace streamkit {

/**
 * Finds the messages in a byte stream, each of which says in its header how long it is. A header that cannot
 * be one means that the stream is of another kind: nothing more can be read of it.
 *
 * @tparam Framing has `kHeaderBytes`; `messageBytes(header)`, the length of a message with its header, or
 *     nothing if it is no header; and `kMaxBytes`: longer messages are passed over without being stored
 */
template <typename Framing>
class Deframer {
 public:
  explicit Deframer(Framing framing = {}) : framing_(framing) {}

  /**
   * @param data what has come next, in pieces of any size
   * @param callback is given each message with its header, which it may change, and returns whether to go on
   * @returns false if the stream is of another kind or the callback has returned false
   */
  template <typename Callback>
  bool read(MutableBytes data, Callback&& callback) {
    while (!data.empty()) {
      if (excessBytes_ > 0) {
        const size_t passed = std::min(excessBytes_, data.size());
        excessBytes_ -= passed;
        data = data.subspan(passed);
        continue;
      }
      if (!partial_.empty() || data.size() < Framing::kHeaderBytes) {
        store(data, Framing::kHeaderBytes);
        if (partial_.size() < Framing::kHeaderBytes) {
          return true;
        }
      }
      const Bytes begun = partial_.empty() ? Bytes(data) : Bytes(partial_);
      const std::optional<size_t> bytes = framing_.messageBytes(begun.first(Framing::kHeaderBytes));
      if (!bytes.has_value()) {
        return false;
      }
      if (*bytes > Framing::kMaxBytes) {
        excessBytes_ = *bytes - partial_.size();
        partial_.clear();
        continue;
      }
      MutableBytes message;
      if (partial_.empty() && data.size() >= *bytes) {
        message = data.first(*bytes);
        data = data.subspan(*bytes);
      } else {
        store(data, *bytes);
        if (partial_.size() < *bytes) {
          return true;
        }
        message = partial_;
      }
      const bool goesOn = callback(message);
      partial_.clear();
      if (!goesOn) {
        return false;
      }
    }
    return true;
  }

 private:
  /** Moves bytes from `data` to the message that has begun, until it has that many. */
  void store(MutableBytes& data, size_t bytes) {
    const size_t stored = std::min(bytes - std::min(bytes, partial_.size()), data.size());
    partial_.insert(partial_.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(stored));
    data = data.subspan(stored);
  }

  Framing framing_;
  /** The beginning of a message, as far as it has come: empty where messages come whole. */
  std::vector<uint8_t> partial_;
  /** Bytes to pass over: the rest of a message that is too long. */
  size_t excessBytes_ = 0;
};

}  // namespace streamkit
