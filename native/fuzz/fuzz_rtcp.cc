#include "core/rtcp_parser.h"
#include "core/transport_feedback.h"

using namespace streamkit;

namespace {

/** Reads all that it is told, so that a view beyond the packet shows. */
struct Reader final : RtcpListener {
  void onReport(const ReportBlock& block) override { sum += block.ssrc + block.jitter; }
  void onNack(uint32_t ssrc, Bytes items) override {
    sum += ssrc;
    forEachNacked(items, [this](uint16_t sequenceNumber) { sum += sequenceNumber; });
  }
  void onPli(uint32_t ssrc) override { sum += ssrc; }
  void onFir(uint32_t ssrc, uint8_t commandSequence) override { sum += ssrc + commandSequence; }
  void onTransportFeedback(Bytes body) override {
    if (parseTransportFeedback(body, packets)) {
      sum += static_cast<uint64_t>(reference.unwrap(referenceTimeUs(body)));
      if (packets.size() > 65535) {
        __builtin_trap();
      }
    }
  }
  void onRemb(double bitrateBps) override {
    if (!(bitrateBps >= 0)) {
      __builtin_trap();
    }
  }

  uint64_t sum = 0;
  std::vector<PacketFeedback> packets;
  ReferenceTime reference;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader reader;
  (void)parseRtcp(Bytes(data, size), reader);
  volatile uint64_t used = reader.sum;
  (void)used;
  return 0;
}
