#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "bytes.h"
#include "media_time.h"

namespace streamkit {

/** Ids of the header extensions (RFC 8285) that were negotiated; 0 for one that is not sent. */
struct HeaderExtensionIds {
  uint8_t mid = 0;
  uint8_t transportWideCc = 0;
  uint8_t playoutDelay = 0;
  uint8_t absCaptureTime = 0;
  /** `rtp-stream-id` of RFC 8852, and `repaired-rtp-stream-id`, which retransmissions have in its place. */
  uint8_t rid = 0;
  uint8_t repairedRid = 0;
};

/** What differs from packet to packet of one stream. */
struct RtpHeaderFields {
  uint32_t ssrc = 0;
  uint8_t payloadType = 0;
  bool marker = false;
  /** Padding follows the payload: RFC 3550 section 5.1. */
  bool padding = false;
  uint16_t sequenceNumber = 0;
  uint32_t rtpTimestamp = 0;
  uint16_t transportSequenceNumber = 0;
  NtpTime captureTime;
  /** A retransmission: its `rid` is that of the stream that it repairs. */
  bool repair = false;
};

/**
 * Lays out the RTP header of one stream once: which extensions it carries and where. Every packet of the
 * stream then has a header of the same size, so that packets of equal payloads are of equal size too, as
 * UDP_SEGMENT wants.
 */
class RtpHeaderTemplate {
 public:
  /** Fixed header, extension header and five elements of at most 16 bytes, rounded up to words. */
  static constexpr size_t kMaxBytes = 12 + 4 + (5 * 17 + 3) / 4 * 4;

  RtpHeaderTemplate(std::string_view mid, const HeaderExtensionIds& ids, unsigned playoutDelayMaxMs,
                    std::string_view rid = {});

  /** From the next packet on; both in ms. Nothing where the extension is not sent. */
  void setPlayoutDelay(unsigned minMs, unsigned maxMs);

  size_t size() const { return size_; }
  bool hasTransportSequence() const { return transportSequenceOffset_ != 0; }
  /** @param out has room for `size()` bytes */
  void write(const RtpHeaderFields& fields, uint8_t* out) const;

 private:
  size_t add(uint8_t id, Bytes data);

  std::array<uint8_t, kMaxBytes> template_{};
  size_t size_;
  size_t transportSequenceOffset_ = 0;
  size_t playoutDelayOffset_ = 0;
  size_t captureTimeOffset_ = 0;
  size_t ridOffset_ = 0;
  uint8_t repairedRidId_;
};

/** A received RTP packet's parts (RFC 3550 section 5.1); they point into the packet. */
struct RtpPacketView {
  uint8_t payloadType = 0;
  bool marker = false;
  uint16_t sequenceNumber = 0;
  uint32_t rtpTimestamp = 0;
  uint32_t ssrc = 0;
  size_t headerBytes = 0;
  /** Body of the header extension, and its profile; empty where there is none. */
  Bytes extension;
  uint16_t extensionProfile = 0;
  /** With padding and SRTP tag, if any. */
  Bytes payload;

  /** Nothing where a length does not fit. */
  static std::optional<RtpPacketView> parse(Bytes packet);
};

}  // namespace streamkit
