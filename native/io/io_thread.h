#pragma once

#include <poll.h>
#include <pthread.h>

#include <functional>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "../core/media_core.h"
#include "media_socket_set.h"
#include "udp_socket.h"
#include "wakeup.h"

namespace streamkit {

/** The thread that a core and its sockets live on. All methods are for one other thread. */
class IoThread final : private DatagramSender {
 public:
  using Command = std::function<void(MediaCore& core, int64_t nowUs)>;

  /** Called on the thread; must not call back. */
  class Listener : public MediaCoreListener, public MediaSocketSet::Listener {
   protected:
    ~Listener() = default;
  };

  /** Frames that the thread has not taken yet; beyond either, frames are dropped up to the next keyframe. */
  static constexpr size_t kMaxQueuedFrames = 256;
  static constexpr size_t kMaxQueuedFrameBytes = 32 * 1024 * 1024;
  /** STUN and DTLS that wait to be sent; beyond it they are dropped, as their protocols repeat them. */
  static constexpr size_t kMaxQueuedPackets = 4096;

  IoThread(const MediaCore::Options& options, bool gso, Listener& listener);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  /** False if the system gave no thread or no descriptor; nothing else may be called then. */
  bool running() const { return running_; }
  /** Errno of why it is not running. */
  int startError() const { return startError_; }
  const PlaneStats& stats() const { return stats_; }

  /** @returns the socket's number */
  int addSocket(std::unique_ptr<UdpSocket> socket);
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
  void send(int socket, const SocketAddress& to, Bytes datagrams, size_t segmentBytes) override;
  bool blocked(int socket) const override;

  void enqueue(Command command);
  /** Unless too many packets wait already. */
  void enqueuePacket(Command send);
  void run();
  void waitUntil(std::optional<int64_t> dueUs, int64_t nowUs);
  void runCommands();
  void publish();
  bool receive();
  bool rests(int64_t nowUs) const { return nowUs < restUntilUs_; }

  const bool gso_;
  PlaneStats stats_;
  MediaCore core_;
  Wakeup wakeup_;
  int nextSocket_ = 0;

  std::mutex mutex_;
  std::vector<Command> commands_;
  bool stopping_ = false;
  size_t queuedFrames_ = 0;
  size_t queuedFrameBytes_ = 0;
  size_t queuedPackets_ = 0;
  /** Producers of which a frame was dropped since the last that was queued. */
  std::unordered_set<uint32_t> producersWithGap_;

  // Used by the thread alone.
  std::vector<std::unique_ptr<UdpSocket>> sockets_;
  MediaSocketSet mediaSockets_;
  std::vector<pollfd> pollFds_;
  int64_t cpuPublishedUs_ = 0;
  /** Until then the sockets' readability wakes nobody. */
  int64_t restUntilUs_ = 0;

  pthread_t thread_{};
  bool running_ = false;
  int startError_ = 0;
};

}  // namespace streamkit
