#pragma once

#include <poll.h>

#include <memory>
#include <vector>

#include "../core/media_core.h"
#include "command_queue.h"
#include "dtls_thread.h"
#include "joined_thread.h"
#include "media_socket_set.h"
#include "publish_interval.h"
#include "send_sockets.h"
#include "shard_thread.h"

namespace streamkit {

/**
 * The thread that a core and its sockets live on, the one that does DTLS for it, and those that send for it.
 * All methods are for one other thread.
 */
class IoThread final {
 public:
  using Command = CommandQueue<MediaCore>::Command;

  /** Called on the thread, and on those that send or do DTLS; must not call back. */
  class Listener : public MediaCoreListener, public MediaSocketSet::Listener, public RelaySockets::Listener {
   protected:
    ~Listener() = default;
  };

  static constexpr size_t kMaxQueuedFrames = CommandQueue<MediaCore>::kMaxFrames;
  /** STUN and DTLS that wait to be sent. */
  static constexpr size_t kMaxQueuedPackets = CommandQueue<MediaCore>::kMaxPackets;
  static constexpr size_t kMaxSendThreads = 64;

  /**
   * @param sendThreads 1: the thread sends as well; more: so many others do, and it receives, reads frames
   * and does what belongs to joining
   */
  IoThread(const MediaCore::Options& options, bool gso, Listener& listener, size_t sendThreads = 1);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  /** False if the system gave no thread or no descriptor; nothing else may be called then. */
  bool running() const { return thread_.running(); }
  /** Errno of why it is not running. */
  int startError() const { return startError_; }
  /** Of this thread alone. */
  const PlaneStats& stats() const { return stats_; }
  /** Adds what all threads have done. */
  void addStats(PlaneStats& sum) const;

  /** @returns the socket's number; negative if there are too few descriptors to share it */
  int addSocket(std::unique_ptr<UdpSocket> socket);
  /** Takes TCP connections of viewers at that address. */
  TcpSockets::Listening listen(const SocketAddress& address);
  /** See RelaySockets::open. */
  RelaySockets::Opened openRelay(uint32_t endpoint, const SocketAddress& local, const SocketAddress& server);
  /** See RelaySockets::dial. */
  RelaySockets::Opened dialRelay(uint32_t endpoint, const SocketAddress& server,
                                 std::unique_ptr<TlsClient> tls = nullptr);
  void bindChannel(int relay, uint16_t channel, const SocketAddress& peer);
  void unbindChannel(int relay, uint16_t channel);
  /** A request to the TURN server; it shares the bound of packets. */
  void postToRelay(int relay, Bytes message);
  void closeRelay(int relay);
  /** @param fd our end of the pair; it is closed with the socket */
  void addMediaSocket(uint32_t id, int fd, std::shared_ptr<MediaSocketStats> stats);
  void bindMediaStream(uint32_t mediaSocket, uint8_t slot, uint32_t producer);
  void unbindMediaStream(uint32_t mediaSocket, uint8_t slot);
  void closeMediaSocket(uint32_t id);
  void post(Command command);
  void postPacket(uint32_t endpoint, int socket, const SocketAddress& to, Bytes data);
  /** Application data of DTLS; it shares the bound of packets. */
  void postDtls(uint32_t endpoint, Bytes data);
  void postFrame(uint32_t producer, EncodedFrame frame);
  void postCloseProducer(uint32_t producer);
  /** What was posted before is done; then the thread ends and the sockets are closed. Idempotent. */
  void stop();

 private:
  friend class JoinedThread;

  void run();
  void waitUntil(std::optional<int64_t> dueUs, int64_t nowUs);
  void publish();
  bool receive();
  bool rests(int64_t nowUs) const { return nowUs < restUntilUs_; }

  const bool gso_;
  PlaneStats stats_;
  TcpSockets tcp_;
  RelaySockets relays_;
  /** None: this thread sends. */
  std::vector<std::unique_ptr<ShardThread>> shards_;
  CommandQueue<MediaCore> queue_;
  DtlsThread dtls_;
  int nextSocket_ = 0;

  // Used by the thread alone.
  SendSockets sockets_;
  MediaCore core_;
  MediaSocketSet mediaSockets_;
  std::vector<pollfd> pollFds_;
  PublishInterval publishInterval_;
  /** Until then the sockets' readability wakes nobody. */
  int64_t restUntilUs_ = 0;

  JoinedThread thread_;
  int startError_ = 0;
};

}  // namespace streamkit
