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
  static constexpr size_t kSlots = 16;
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
  /** Datagrams of handshakes beyond what may wait. */
  Figure<uint64_t> droppedDtls;
  Figure<uint64_t> cpuUs;
};

}  // namespace streamkit
