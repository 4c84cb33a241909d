#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "../core/media_core.h"
#include "../core/socket_number.h"
#include "relay_socket.h"

namespace streamkit {

/**
 * The UDP sockets and connections over TCP or TLS by which allocations at TURN servers are used, one per
 * allocation: by its own address the server tells it from others. Who asks for the allocation, keeps it alive
 * and binds its channels is told what the server answers; what peers send goes to the core as if it had come
 * by a socket of ours.
 *
 * One thread receives; all threads send. Linux alone has it.
 */
class RelaySockets {
 public:
  class Listener {
   public:
    /** The server answers a request that was sent to it. Called on the receiving thread; must not call back.
     */
    virtual void onRelayAnswer(uint32_t endpoint, int socket, Bytes message) = 0;
    /** There is no connection to the server, or no more: the socket is closed. Called as `onRelayAnswer`. */
    virtual void onRelayEnded(uint32_t endpoint, int socket, const std::string& reason) = 0;

   protected:
    ~Listener() = default;
  };

  /** Sockets at once. */
  static constexpr size_t kMaxSockets = 4096;
  /** The same of one viewer: one that is in use, one of before an ICE restart, and those that are tried. */
  static constexpr size_t kMaxSocketsOfOne = 4;

  RelaySockets(Listener& listener, bool gso, PlaneStats& stats)
      : listener_(listener), gso_(gso), stats_(stats) {}
  ~RelaySockets();
  RelaySockets(const RelaySockets&) = delete;
  RelaySockets& operator=(const RelaySockets&) = delete;

  /** Of the sockets that one endpoint has, and of all. */
  enum class Limit { kNone, kEndpoint, kPlane };
  struct Opened {
    /** Negative: there is none. */
    int socket = -1;
    /** Our end. */
    SocketAddress local{};
    /** Errno of a refusal by the system. */
    int error = 0;
    /** The one that is reached; it is no refusal by the system. */
    Limit limit = Limit::kNone;
  };

  // From any thread.

  /** @param local an address of ours, or of all; its port is chosen by the system if it is 0 */
  Opened open(uint32_t endpoint, const SocketAddress& local, const SocketAddress& server);
  /**
   * The same over TCP, from the address that leads there. `onRelayEnded` tells if the server cannot be
   * reached.
   * @param tls speaks TLS with the server, from the first request on; null: there is none
   */
  Opened dial(uint32_t endpoint, const SocketAddress& server, std::unique_ptr<TlsClient> tls = nullptr);
  void send(int socket, const SocketAddress& to, Bytes datagrams, size_t segmentBytes, PlaneStats& stats);
  bool blocked(int socket) const;

  // From the receiving thread. A socket that is closed is passed over.

  void bind(int socket, uint16_t channel, const SocketAddress& peer);
  void unbind(int socket, uint16_t channel);
  void sendToServer(int socket, Bytes message);
  /** What the viewer was sent by it has nowhere to go any more. */
  void close(int socket, MediaCore& core, int64_t nowUs);
  /** What poll() waits for; negative as long as there was none. */
  int pollFd() const { return epoll_; }
  /** Receives, and sends what has waited. */
  void run(MediaCore& core, int64_t nowUs);
  /** Closes everything. */
  void clear();

 private:
  using Socket = std::shared_ptr<RelaySocket>;

  Socket find(int socket) const;
  /** The mutex is held. */
  Limit limitOf(uint32_t endpoint, int nextNumber) const;
  /** @param fd of the socket that `create` makes, once its number is known */
  template <typename Create>
  Opened admit(uint32_t endpoint, int fd, const SocketAddress& local, int& nextNumber, Create&& create);
  void receive(const RelaySocket& socket, MediaCore& core, int64_t nowUs);
  void receiveStream(RelaySocket& socket, MediaCore& core, int64_t nowUs);
  void receiveDatagram(const RelaySocket& socket, MutableBytes datagram, MediaCore& core, int64_t nowUs);

  Listener& listener_;
  const bool gso_;
  PlaneStats& stats_;
  std::atomic<int> epoll_ = -1;

  mutable std::mutex mutex_;
  std::unordered_map<int, Socket> byNumber_;
  int nextSocket_ = kFirstRelaySocket;
  int nextConnection_ = kFirstStreamRelaySocket;

  // Used by the receiving thread alone.
  std::array<uint8_t, TcpConnection::kReadBytes> buffer_;
};

}  // namespace streamkit
