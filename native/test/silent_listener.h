#pragma once

#include "core/media_core.h"

namespace streamkit::test {

/** Nobody hears what a core tells. */
struct SilentListener final : MediaCoreListener {
  void onPacket(uint32_t, int, const SocketAddress&, Bytes) override {}
  void onKeyframeWanted(uint32_t) override {}
  void onSwitched(uint32_t, uint32_t) override {}
  void onConsentLost(uint32_t) override {}
  void onDtlsConnected(uint32_t) override {}
  void onDtlsData(uint32_t, Bytes) override {}
  void onDtlsEnded(uint32_t, DtlsFault) override {}
  void onEstimate(uint32_t, double) override {}
};

}  // namespace streamkit::test
