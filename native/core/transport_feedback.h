#pragma once

#include <cstdint>
#include <vector>

#include "bytes.h"

namespace streamkit {

/** What transport-wide feedback says of one packet. */
struct PacketFeedback {
  uint16_t sequenceNumber = 0;
  bool received = false;
  /** On the viewer's clock, modulo 2^24 * 64 ms; see ReferenceTime. Meaningless where lost. */
  int64_t arrivalUs = 0;
};

/**
 * Reads what follows the SSRCs of transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01
 * section 3.1).
 * @param out is replaced; at most SentPacketLog::kPackets entries
 * @returns false where a length does not fit, a symbol is reserved, or it tells of more packets than are
 *   known of; then `out` is not to be used
 */
bool parseTransportFeedback(Bytes body, std::vector<PacketFeedback>& out);

/** Carries the 24-bit reference times of one viewer's feedback (64 ms each) over their wrap after 12 days. */
class ReferenceTime {
 public:
  /** What is to be added to the arrival times of feedback whose first arrival base is `baseUs`. */
  int64_t unwrap(int64_t baseUs);

 private:
  int64_t last_ = 0;
  bool started_ = false;
};

/** The reference time of feedback, µs, as `parseTransportFeedback` adds it up; the body was parsed before. */
int64_t referenceTimeUs(Bytes body);

}  // namespace streamkit
