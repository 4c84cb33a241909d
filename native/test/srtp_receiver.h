#pragma once

#include <optional>
#include <unordered_map>

#include "core/replay_window.h"
#include "core/srtp_cipher.h"

namespace streamkit::test {

/** The other end of SrtpSender's RTP; the server itself receives no media. */
class SrtpReceiver {
 public:
  static std::optional<SrtpReceiver> create(SrtpProfile profile, const SrtpMasterKey& master);

  /** Header and payload, decrypted in place; nothing where it is not authentic, or a replay. */
  std::optional<Bytes> unprotect(MutableBytes packet);

 private:
  struct Stream {
    uint64_t newest = 0;
    bool started = false;
    ReplayWindow window;
  };

  explicit SrtpReceiver(SrtpCipher cipher) : cipher_(std::move(cipher)) {}

  SrtpCipher cipher_;
  std::unordered_map<uint32_t, Stream> streams_;
};

}  // namespace streamkit::test
