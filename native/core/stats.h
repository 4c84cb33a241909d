#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace streamkit {

/** A figure that one thread writes and others read: no ordering, no locked instruction. */
template <typename T>
class Figure {
 public:
  Figure(T value = T{}) : value_(value) {}
  Figure& operator=(T value) {
    value_.store(value, std::memory_order_relaxed);
    return *this;
  }
  Figure& operator+=(T value) { return *this = get() + value; }
  operator T() const { return get(); }
  T get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<T> value_;
};

struct ConsumerStats {
  Figure<uint64_t> packetsSent;
  /** Payload bytes, retransmissions excluded: as a sender report counts them. */
  Figure<uint64_t> bytesSent;
  Figure<uint64_t> packetsRetransmitted;
  /** FlexFEC, which restores what is lost. */
  Figure<uint64_t> repairPacketsSent;
  /** Bytes of datagrams of both: what the budget for repairs is used for. */
  Figure<uint64_t> repairBytesSent;
  /** Frames not sent to this viewer: before its first keyframe, or dropped on overflow. */
  Figure<uint64_t> framesDropped;
  Figure<uint64_t> nacksReceived;
  Figure<uint64_t> plisReceived;
  Figure<uint64_t> firsReceived;
  Figure<double> fractionLost;
  Figure<int64_t> packetsLost;
  Figure<double> jitterMs;
  /** Negative before the first one. */
  Figure<double> rttMs{-1};
};

struct TransportStats {
  /** RTCP that could not be parsed or belonged to nobody. */
  Figure<uint64_t> rtcpDropped;
  /** What the viewer's link can carry, bit/s; 0 before it is known. */
  Figure<double> estimatedBitrateBps;
  /** What waits in the queues on the way, ms. */
  Figure<double> queueMs;
  /** Share of packets lost lately, 0 to 1. */
  Figure<double> lossShare;
  /** Padding by which the link was probed, bytes of datagrams. */
  Figure<uint64_t> paddingBytes;
};

/** Frames of one slot of a media socket. */
struct MediaSlotStats {
  /** Frames handed to a producer, their payload bytes, and how many of them were keyframes. */
  Figure<uint64_t> frames;
  Figure<uint64_t> bytes;
  Figure<uint64_t> keyframes;
  /** Frames that had no producer, or came after a change of producer and before its first keyframe. */
  Figure<uint64_t> dropped;
  /** When the last frame was read, dropped or not, CLOCK_MONOTONIC µs; 0 before the first one. */
  Figure<int64_t> lastFrameUs;
};

struct MediaSocketStats {
  static constexpr size_t kSlots = 32;
  std::array<MediaSlotStats, kSlots> slots;
};

struct PlaneStats {
  Figure<uint64_t> packetsSent;
  Figure<uint64_t> bytesSent;
  Figure<uint64_t> sendCalls;
  Figure<uint64_t> sendErrors;
  Figure<bool> gso;
  Figure<uint64_t> received;
  Figure<uint64_t> droppedUnknownSource;
  Figure<uint64_t> droppedStunIntegrity;
  Figure<uint64_t> droppedMalformed;
  Figure<uint64_t> droppedSrtcpAuthentication;
  /** Datagrams and data of DTLS beyond what may wait, or for nobody. */
  Figure<uint64_t> droppedDtls;
  /** Datagrams of RTCP for which a thread that sends had no time. */
  Figure<uint64_t> droppedRtcp;
  /** TCP connections of viewers, and those that were closed because nobody proved whose they are. */
  Figure<uint64_t> tcpConnections;
  Figure<uint64_t> tcpRefused;
  Figure<uint64_t> cpuUs;

  /** Adds the figures of another thread; `gso` is left as it is. */
  void add(const PlaneStats& other) {
    packetsSent += other.packetsSent;
    bytesSent += other.bytesSent;
    sendCalls += other.sendCalls;
    sendErrors += other.sendErrors;
    received += other.received;
    droppedUnknownSource += other.droppedUnknownSource;
    droppedStunIntegrity += other.droppedStunIntegrity;
    droppedMalformed += other.droppedMalformed;
    droppedSrtcpAuthentication += other.droppedSrtcpAuthentication;
    droppedDtls += other.droppedDtls;
    droppedRtcp += other.droppedRtcp;
    tcpConnections += other.tcpConnections;
    tcpRefused += other.tcpRefused;
    cpuUs += other.cpuUs;
  }
};

}  // namespace streamkit
