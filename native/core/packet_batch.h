#pragma once

#include <array>

#include "datagram_sender.h"

namespace streamkit {

/**
 * Collects packets of one viewer, back to back in one buffer that stays in the cache, and hands them over in
 * groups that one system call can carry: all of one size, but the last, which may be shorter.
 */
class PacketBatch {
 public:
  /** An ordinary frame and the sound beside it. Below the 64 segments that the kernel takes. */
  static constexpr size_t kMaxGroupPackets = 40;
  /** Below the 64 KiB of one UDP_SEGMENT send. */
  static constexpr size_t kMaxGroupBytes = 48 * 1024;
  static constexpr size_t kMaxPacketBytes = 1500;

  explicit PacketBatch(DatagramSender& sender) : sender_(sender) {}

  /** To be called before each viewer's packets; flushes those of the one before. */
  void begin(int socket, const SocketAddress& to);
  /**
   * Bytes that a packet lacks to be as long as those before it, so that another can follow it in the same
   * group; 0 where it is as long, or begins a group.
   */
  size_t missing(size_t bytes) const {
    return packets_ > 0 && !complete_ && bytes < segmentBytes_ ? segmentBytes_ - bytes : 0;
  }
  /** Room for a packet of exactly `bytes`, at most kMaxPacketBytes. Taken by `commit`, or else given back. */
  uint8_t* reserve(size_t bytes);
  void commit();
  void flush();

 private:
  DatagramSender& sender_;
  int socket_ = -1;
  SocketAddress to_;
  size_t packets_ = 0;
  size_t bytes_ = 0;
  size_t reservedBytes_ = 0;
  size_t segmentBytes_ = 0;
  bool complete_ = false;
  std::array<uint8_t, kMaxGroupBytes> buffer_;
};

}  // namespace streamkit
