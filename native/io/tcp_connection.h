#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "../core/bytes.h"
#include "../core/socket_address.h"
#include "../core/stats.h"

namespace streamkit {

/**
 * One TCP connection of a viewer, on which each packet follows its length (RFC 4571), or to a TURN server.
 * Several threads may send on it; one receives.
 */
class TcpConnection {
 public:
  /**
   * Bytes that wait while the kernel takes none. Media stays in the history of its producer, where it is
   * dropped if it gets too old, while a connection is blocked: what waits is what one turn of a viewer had
   * begun, with answers of STUN and DTLS. Packets beyond it are dropped and counted.
   */
  static constexpr size_t kMaxWaitingBytes = 256 * 1024;
  /** What is read of one connection before the others have their turn. */
  static constexpr size_t kReadBytes = 16 * 1024;

  /**
   * @param fd is closed with the connection
   * @param epoll is told to report when a blocked connection is writable again
   */
  TcpConnection(int fd, int epoll, uint64_t id, const SocketAddress& remote);
  ~TcpConnection() { close(); }
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  /**
   * Begins to connect; what is sent meanwhile waits. That nobody listens there is found by `read` even if the
   * system says so at once.
   * @param local is set to our end
   * @param error is set to errno if it fails
   * @returns a descriptor, or -1
   */
  static int dial(const SocketAddress& to, SocketAddress& local, int& error);
  /** What all of them have: of the descriptor of a new one. */
  static void prepare(int fd);

  uint64_t id() const { return id_; }
  const SocketAddress& remote() const { return remote_; }

  // From any thread.

  /** @param datagrams of `segmentBytes` each, back to back; the last may be shorter */
  void send(Bytes datagrams, size_t segmentBytes, PlaneStats& stats);
  /**
   * @param framed so many packets, ready for the stream
   * @param payloadBytes what counts of them
   * @returns false if it was dropped: too much waits, or the connection has ended
   */
  bool sendFramed(Bytes framed, size_t packets, size_t payloadBytes, PlaneStats& stats);
  /** Whether `sendFramed` takes so many bytes; what another thread sends meanwhile is not foreseen. */
  bool hasRoom(size_t bytes) const;
  bool blocked() const { return isBlocked_; }
  /** The kernel takes bytes again. */
  void flush();
  /** Nothing more is sent or received; the receiving thread finds out by `read`, and is woken for that. */
  void shutDown();
  /** Idempotent; what the kernel has taken is still delivered. */
  void close();

  // From the receiving thread.

  enum class Read { kNothing, kBytes, kEnded };
  /** Reads once. @param buffer is used for it @param bytes is set to how many there were */
  Read read(MutableBytes buffer, size_t& bytes);

 private:
  /** Writes as far as the kernel takes it. @returns bytes that are done with: all, if the connection is
   * broken */
  size_t write(Bytes bytes);
  /** The mutex is held. */
  bool fits(size_t bytes) const { return waiting_.size() - written_ + bytes <= kMaxWaitingBytes; }
  void forgetWaiting();
  void setBlocked(bool isBlocked);

  const uint64_t id_;
  const int epoll_;
  const SocketAddress remote_;

  mutable std::mutex mutex_;
  int fd_;
  std::vector<uint8_t> waiting_;
  /** Bytes at the beginning of `waiting_` that are written. */
  size_t written_ = 0;
  std::atomic<bool> isBlocked_ = false;
};

}  // namespace streamkit
