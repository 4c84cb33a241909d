#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "replay_window.h"
#include "srtp_cipher.h"

namespace streamkit {

/** What a viewer sends us: SRTCP under its master key. */
class SrtcpReceiver {
 public:
  /** Senders whose replay windows are kept; a compound of one more is dropped. A viewer has a handful. */
  static constexpr size_t kMaxSenders = 32;

  /** Nothing where OpenSSL fails. */
  static std::optional<SrtcpReceiver> create(SrtpProfile profile, const SrtpMasterKey& master);

  /** Bytes that a compound has grown by: index word and tag. */
  size_t overheadBytes() const { return 4 + cipher_.tagBytes(); }
  /** The compound, decrypted in place; nothing where it is not authentic, or a replay. */
  std::optional<Bytes> unprotect(MutableBytes packet);

 private:
  explicit SrtcpReceiver(SrtpCipher cipher) : cipher_(std::move(cipher)) {}

  SrtpCipher cipher_;
  std::unordered_map<uint32_t, ReplayWindow> windows_;
};

}  // namespace streamkit
