#pragma once

#include <optional>

#include "srtcp_receiver.h"
#include "srtp_sender.h"

namespace streamkit {

struct SrtpParameters {
  SrtpProfile profile = SrtpProfile::kAeadAes128Gcm;
  SrtpMasterKey local;
  SrtpMasterKey remote;
};

/** Both directions of one viewer's SRTP. */
struct SrtpSession {
  /** Nothing where OpenSSL fails. */
  static std::optional<SrtpSession> create(const SrtpParameters& parameters) {
    auto sender = SrtpSender::create(parameters.profile, parameters.local);
    auto receiver = SrtcpReceiver::create(parameters.profile, parameters.remote);
    if (!sender.has_value() || !receiver.has_value()) {
      return std::nullopt;
    }
    return SrtpSession{std::move(*sender), std::move(*receiver)};
  }

  SrtpSender sender;
  SrtcpReceiver receiver;
};

}  // namespace streamkit
