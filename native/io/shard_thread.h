#pragma once

#include "../core/shard_link.h"
#include "command_queue.h"
#include "joined_thread.h"
#include "publish_interval.h"
#include "send_sockets.h"

namespace streamkit {

/**
 * A thread that sends to its share of the viewers. It receives nothing: what concerns its viewers comes from
 * the thread that receives, which hands it over here.
 */
class ShardThread final : public ShardLink {
 public:
  ShardThread(const MediaShard::Options& options, bool gso, MediaShardListener& listener, TcpSockets& tcp,
              RelaySockets& relays);
  ~ShardThread() { stop(); }
  ShardThread(const ShardThread&) = delete;
  ShardThread& operator=(const ShardThread&) = delete;

  /** Errno of why the thread does not run, or 0; nothing else may be called if there is one. */
  int startError() const { return startError_; }
  const PlaneStats& stats() const { return stats_; }

  void addSocket(std::unique_ptr<UdpSocket> socket);
  void post(Command command) override { queue_.push(std::move(command)); }
  void postFrame(uint32_t producer, const EncodedFrame& frame, bool gapBefore, bool urgent) override {
    queue_.pushFrame(producer, frame, gapBefore, urgent);
  }
  void postCloseProducer(uint32_t producer) override { queue_.pushCloseProducer(producer); }
  bool postRtcp(uint32_t transport, Bytes data) override;
  /** What was posted before is done; then the thread ends and its sockets are closed. Idempotent. */
  void stop();

 private:
  friend class JoinedThread;

  void run();
  void waitUntil(std::optional<int64_t> dueUs, int64_t nowUs);
  void publish();

  const bool gso_;
  PlaneStats stats_;
  CommandQueue<MediaShard> queue_;

  // Used by the thread alone.
  SendSockets sockets_;
  MediaShard shard_;
  std::vector<pollfd> pollFds_;
  PublishInterval publishInterval_;

  JoinedThread thread_;
  int startError_ = 0;
};

}  // namespace streamkit
