#pragma once

#include "bytes.h"

namespace streamkit {

/** RFC 3550 section 6.4.1. */
struct ReportBlock {
  uint32_t ssrc = 0;
  /** 0 to 1. */
  double fractionLost = 0;
  /** Cumulative; negative where duplicates outnumber losses. */
  int32_t packetsLost = 0;
  /** Extended by how often the 16 bits of the packets have wrapped around. */
  uint32_t highestSequence = 0;
  /** In RTP timestamp units. */
  uint32_t jitter = 0;
  uint32_t lastSenderReport = 0;
  /** In 1/65536 s. */
  uint32_t delaySinceLastSenderReport = 0;
};

/** What a viewer can ask or say that concerns the sender. */
class RtcpListener {
 public:
  virtual void onReport(const ReportBlock& block) = 0;
  /** @param items of 4 bytes each: see forEachNacked */
  virtual void onNack(uint32_t ssrc, Bytes items) = 0;
  virtual void onPli(uint32_t ssrc) = 0;
  virtual void onFir(uint32_t ssrc, uint8_t commandSequence) = 0;
  /** @param body what follows the two SSRCs: see parseTransportFeedback */
  virtual void onTransportFeedback(Bytes body) = 0;
  virtual void onRemb(double bitrateBps) = 0;

 protected:
  ~RtcpListener() = default;
};

/**
 * Reads a decrypted RTCP compound (RFC 3550 section 6.1; reduced-size RTCP of RFC 5506 as well). Packets that
 * do not concern a sender are skipped by length.
 * @returns false where a length does not fit: then nothing in the compound can be trusted, and nothing was
 * told.
 */
bool parseRtcp(Bytes compound, RtcpListener& listener);

constexpr size_t kNackItemBytes = 4;

/** RFC 4585 section 6.2.1: a packet id and a bit mask of the 16 that follow it. */
template <typename Callback>
void forEachNacked(Bytes items, Callback&& callback) {
  for (size_t item = 0; item + kNackItemBytes <= items.size(); item += kNackItemBytes) {
    const uint16_t packetId = readU16(&items[item]);
    const uint16_t following = readU16(&items[item + 2]);
    callback(packetId);
    for (int bit = 0; bit < 16; bit += 1) {
      if ((following >> bit & 1) != 0) {
        callback(static_cast<uint16_t>(packetId + bit + 1));
      }
    }
  }
}

}  // namespace streamkit
