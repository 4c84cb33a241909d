#pragma once

#include <cstdint>
#include <vector>

#include "reception_log.h"

namespace bench {

/** What the last sender report of an SSRC said, for a report block's LSR and DLSR. */
struct LastSenderReport {
  uint32_t middleNtp = 0;
  int64_t arrivedUs = 0;
};

/** A media stream that is reported on. */
struct ReportedStream {
  uint32_t ssrc = 0;
  ReceptionLog* log = nullptr;
  LastSenderReport* lastReport = nullptr;
};

/** RR with one block a stream, and SDES (RFC 3550 section 6.4.2 and 6.5). */
std::vector<uint8_t> buildReceiverReport(uint32_t sender, const std::vector<ReportedStream>& streams,
                                         int64_t nowUs);

/** Generic NACK (RFC 4585 section 6.2.1). */
std::vector<uint8_t> buildNack(uint32_t sender, uint32_t ssrc, const std::vector<uint16_t>& missing);

/** PLI (RFC 4585 section 6.3.1). */
std::vector<uint8_t> buildPli(uint32_t sender, uint32_t ssrc);

/** Collects transport-wide sequence numbers and writes feedback on them as Chromium does. */
class TransportFeedback {
 public:
  void note(uint16_t sequence, int64_t arrivedUs);
  bool empty() const { return arrivals_.empty(); }
  /** draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1; starts anew. */
  std::vector<uint8_t> take(uint32_t sender, uint32_t ssrc);

 private:
  static constexpr size_t kMaxPackets = 2000;

  struct Arrival {
    /** From the first of them. */
    uint16_t offset;
    int64_t arrivedUs;
  };
  uint16_t base_ = 0;
  std::vector<Arrival> arrivals_;
  uint8_t count_ = 0;
};

}  // namespace bench
