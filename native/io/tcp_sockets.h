#pragma once

#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "../core/media_core.h"
#include "../core/socket_number.h"
#include "../core/stream_deframer.h"
#include "tcp_connection.h"

namespace streamkit {

/**
 * The TCP listeners of a plane and the connections of viewers (RFC 6544, passive candidates). A connection is
 * known by the number of its listener and its remote address, as a viewer behind a UDP socket is. Whoever
 * connects has to prove by its first packet that it is a viewer: the packet is a check of ICE with the
 * credentials of one.
 *
 * One thread accepts and receives; all threads send. Linux alone has it.
 */
class TcpSockets {
 public:
  /** Connections at once. */
  static constexpr size_t kMaxConnections = 4096;
  /**
   * Connections that have not yet proven whose they are: of all, and of one network (an address of IPv4, a
   * /64 of IPv6). The oldest makes room for one more: a viewer proves itself by what it sends first.
   */
  static constexpr size_t kMaxUnproven = 512;
  static constexpr size_t kMaxUnprovenPerNetwork = 32;
  /** How long that may take. */
  static constexpr int64_t kProofLimitUs = 5'000'000;
  /** How often connections are looked for that belong to nobody any more. */
  static constexpr int64_t kSweepIntervalUs = 500'000;

  explicit TcpSockets(PlaneStats& stats, size_t maxUnproven = kMaxUnproven);
  ~TcpSockets();
  TcpSockets(const TcpSockets&) = delete;
  TcpSockets& operator=(const TcpSockets&) = delete;

  struct Listening {
    /** Negative: there is none. */
    int socket = -1;
    uint16_t port = 0;
    int error = 0;
  };

  // From any thread.

  Listening listen(const SocketAddress& address);
  void send(int socket, const SocketAddress& to, Bytes datagrams, size_t segmentBytes, PlaneStats& stats);
  bool blocked(int socket, const SocketAddress& to) const;

  // From the receiving thread.

  /** What poll() waits for; negative as long as nothing listens. */
  int pollFd() const { return hasListener_ ? epoll_ : -1; }
  /** Accepts, receives and sends what has waited. */
  void run(MediaCore& core, int64_t nowUs);
  /** When to call `run` though nothing comes. */
  std::optional<int64_t> nextDueUs() const;
  /** Closes everything. */
  void clear();

 private:
  /** Packets that are longer end the connection. */
  static constexpr size_t kMaxPacketBytes = 2048;

  /** A viewer's connection, which all threads use, and what the receiving thread alone knows of it. */
  struct Viewer {
    Viewer(int fd, int epoll, uint64_t id, const SocketAddress& remote, int listener, int64_t nowUs)
        : connection(fd, epoll, id, remote), socket(listener), acceptedUs(nowUs) {}

    TcpConnection connection;
    /** Number of its listener. */
    const int socket;
    const int64_t acceptedUs;
    /** It has shown that it is a viewer's. */
    bool isProven = false;
    StreamDeframer deframer{kMaxPacketBytes};
  };
  using Accepted = std::shared_ptr<Viewer>;

  Accepted find(int socket, const SocketAddress& remote) const;
  void accept(int listener, MediaCore& core, int64_t nowUs);
  void admit(int socket, int fd, const SocketAddress& remote, MediaCore& core, int64_t nowUs);
  /** @returns whether there is some for a connection from there */
  bool makeRoom(const SocketAddress& remote, MediaCore& core, int64_t nowUs);
  void receive(const Accepted& accepted, MediaCore& core, int64_t nowUs);
  /** One packet of it. @returns whether the connection may go on */
  bool receivePacket(Viewer& viewer, MutableBytes packet, MediaCore& core, int64_t nowUs);
  void drop(const Accepted& accepted, MediaCore& core, int64_t nowUs);
  void sweep(MediaCore& core, int64_t nowUs);
  void closeAbandoned(MediaCore& core, int64_t nowUs);
  void forgetUnproven(const TcpConnection& connection);
  void watchListeners(bool isWatched);

  PlaneStats& stats_;
  const size_t maxUnproven_;
  int epoll_ = -1;
  std::atomic<bool> hasListener_ = false;

  mutable std::mutex mutex_;
  std::vector<int> listeners_;
  std::unordered_map<PacketSource, Accepted, PacketSourceHash> bySource_;

  // Used by the receiving thread alone.
  std::unordered_map<uint64_t, Accepted> byId_;
  /** Ids, the oldest first. */
  std::set<uint64_t> unproven_;
  std::unordered_map<SocketAddress, std::set<uint64_t>, SocketAddressHash> unprovenByNetwork_;
  uint64_t nextId_ = kFirstConnectionId;
  int64_t sweptUs_ = 0;
  /** There were no descriptors left: the listeners are not looked at until the next sweep. */
  bool isFull_ = false;
  std::vector<uint8_t> buffer_;

  /** Smaller ids in epoll are numbers of listeners. */
  static constexpr uint64_t kFirstConnectionId = 1ULL << 32;
};

}  // namespace streamkit
