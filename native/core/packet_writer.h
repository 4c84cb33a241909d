#pragma once

#include <memory>

#include "bandwidth_estimator.h"
#include "packet_batch.h"
#include "rtp_header.h"
#include "sent_packet_log.h"
#include "srtp_sender.h"

namespace streamkit {

/** Writes one viewer's packets, encrypted, into the batch: the innermost loop of the plane. */
class PacketWriter {
 public:
  /** @param estimator is told of what is sent under transport-wide sequence numbers */
  PacketWriter(SrtpSender srtp, PacketBatch& batch, BandwidthEstimator& estimator)
      : srtp_(std::move(srtp)), batch_(batch), estimator_(estimator) {}

  /**
   * @param fields its sequence numbers are filled in here
   * @param index full count of the SSRC's packets: the roll-over counter, then the sequence number
   * @param prefix before the payload: the original sequence number of a retransmission, or nothing
   * @param more another packet comes in this burst: one that is a few bytes shorter than those before it is
   * padded, for only the last of a group may be shorter
   * @returns bytes of the datagram; 0 where it could not be encrypted, or is too long
   */
  size_t writeRtp(const RtpHeaderTemplate& header, RtpHeaderFields fields, int64_t index, Bytes prefix,
                  Bytes payload, bool more, int64_t nowUs);
  void writeRtcp(Bytes compound);

  PacketBatch& batch() { return batch_; }
  /** Null until a packet with a transport-wide sequence number has been sent. */
  SentPacketLog* sentPackets() { return sentPackets_.get(); }
  /** Full count of the packet that comes next; its lower 16 bits are the transport-wide sequence number. */
  int64_t nextTransportSequence() const { return transportSequence_; }
  /** Loads what the next packets are written by and noted in into the cache. */
  void prefetch() const {
    srtp_.prefetch();
    if (sentPackets_ != nullptr) {
      sentPackets_->prefetch(static_cast<uint16_t>(transportSequence_));
    }
  }

 private:
  SrtpSender srtp_;
  PacketBatch& batch_;
  BandwidthEstimator& estimator_;
  int64_t transportSequence_ = 0;
  std::unique_ptr<SentPacketLog> sentPackets_;
};

}  // namespace streamkit
