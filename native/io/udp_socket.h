#pragma once

#include <deque>
#include <memory>
#include <unordered_set>
#include <vector>

#include "../core/bytes.h"
#include "../core/socket_address.h"
#include "../core/stats.h"

namespace streamkit {

/** One bound, non-blocking UDP socket. Opened on any thread, then used by one: each thread has its own share.
 */
class UdpSocket {
 public:
  /** For the feedback of a thousand viewers while a keyframe is being fanned out. */
  static constexpr size_t kBufferBytes = 4 * 1024 * 1024;
  static constexpr size_t kMaxDatagramBytes = 2048;

  struct Opened {
    std::unique_ptr<UdpSocket> socket;
    /** Errno of the failure, where there is no socket. */
    int error = 0;
  };

  /**
   * @param bufferBytes that the kernel is asked for in each direction (it may give less), and limit of the
   *     datagrams held back while the kernel takes none; beyond it they are dropped and counted
   */
  static Opened open(const SocketAddress& address, size_t bufferBytes = kBufferBytes);
  /** The same socket of the system for another thread, with a descriptor and a backlog of its own. */
  Opened share() const;
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  int fd() const { return fd_; }
  const SocketAddress& local() const { return local_; }
  /** Datagrams go out by UDP_SEGMENT: the kernel knows it, and the way out of here can do it. */
  bool segments() const { return segments_; }
  void stopSegmenting() { segments_ = false; }

  /** Datagrams of `segmentBytes` each, back to back; the last may be shorter. */
  void send(const SocketAddress& to, Bytes datagrams, size_t segmentBytes, PlaneStats& stats);
  bool blocked() const { return !backlog_.empty(); }
  /** The kernel takes datagrams again. */
  void flush(PlaneStats& stats);

  /**
   * Receives what is there, at most a batch.
   * @param callback is given the sender's address and the datagram, which it may change
   * @returns whether there may be more
   */
  template <typename Callback>
  bool receive(Callback&& callback) {
    const size_t count = receiveBatch();
    for (size_t i = 0; i < count; i += 1) {
      callback(received_[i].from, MutableBytes(received_[i].bytes.data(), received_[i].size));
    }
    return count == kReceiveBatch;
  }

 private:
  static constexpr size_t kReceiveBatch = 32;

  struct Waiting {
    SocketAddress to;
    std::vector<uint8_t> datagrams;
    size_t segmentBytes;
  };

  struct Received {
    SocketAddress from;
    size_t size;
    std::array<uint8_t, kMaxDatagramBytes> bytes;
  };

  UdpSocket(int fd, const SocketAddress& local, size_t maxBacklogBytes);
  size_t receiveBatch();
  /** @returns bytes that are done with, sent or not to be sent; fewer than given where the kernel is full */
  size_t trySend(const SocketAddress& to, Bytes datagrams, size_t segmentBytes, PlaneStats& stats);
  size_t sendSegmented(const SocketAddress& to, Bytes datagrams, size_t segmentBytes, int& error);
  size_t sendOne(const SocketAddress& to, Bytes datagram, PlaneStats& stats);
  size_t sendEach(const SocketAddress& to, Bytes datagrams, size_t segmentBytes, PlaneStats& stats);

  int fd_;
  SocketAddress local_;
  size_t maxBacklogBytes_;
  bool segments_ = false;
  std::deque<Waiting> backlog_;
  size_t backlogBytes_ = 0;
  /**
   * Viewers whose path does not take segments of the size that was tried: each try costs a call that fails.
   * Forgotten all at once when there are too many, and tried again.
   */
  static constexpr size_t kMaxUnsegmented = 1024;
  std::unordered_set<SocketAddress, SocketAddressHash> unsegmented_;
  std::vector<Received> received_;
};

}  // namespace streamkit
