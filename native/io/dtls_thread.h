#pragma once

#include <atomic>

#include "../core/dtls_registry.h"
#include "../core/media_core.h"
#include "command_queue.h"
#include "joined_thread.h"
#include "publish_interval.h"

namespace streamkit {

/**
 * The thread on which viewers' DTLS is done, so that no media waits for a handshake. What it has for a viewer
 * goes out by the thread that receives.
 */
class DtlsThread final : public DtlsLink, private DtlsEndpoint::Listener {
 public:
  /** Datagrams of one viewer that wait for the thread, so that it cannot keep out those of all others. */
  static constexpr uint32_t kMaxQueuedOfOne = 64;

  /** @param core of the thread that receives */
  DtlsThread(CommandQueue<MediaCore>& core, MediaCoreListener& listener);
  ~DtlsThread() { stop(); }
  DtlsThread(const DtlsThread&) = delete;
  DtlsThread& operator=(const DtlsThread&) = delete;

  /** Errno of why the thread does not run, or 0; nothing else may be called if there is one. */
  int startError() const { return startError_; }
  const PlaneStats& stats() const { return stats_; }

  void setContext(std::shared_ptr<DtlsContext> context) override;
  void start(uint32_t id, DtlsRole role, DtlsFingerprints fingerprints, int64_t nowUs) override;
  bool receive(uint32_t id, Bytes datagram, int64_t nowUs) override;
  bool send(uint32_t id, Bytes data) override;
  void close(uint32_t id) override;
  /** What was posted before is done; then the thread ends. Idempotent. */
  void stop();

 private:
  friend class JoinedThread;

  void run();
  void onDtlsDatagram(uint32_t id, Bytes datagram) override;
  void onDtlsConnected(uint32_t id, SrtpSession srtp) override;
  void onDtlsData(uint32_t id, Bytes data) override { listener_.onDtlsData(id, data); }
  void onDtlsEnded(uint32_t id, DtlsFault fault) override;

  CommandQueue<MediaCore>& core_;
  MediaCoreListener& listener_;
  PlaneStats stats_;
  CommandQueue<DtlsRegistry> queue_;
  /** How many datagrams of each viewer are in the queue. Used by the thread that receives alone. */
  std::unordered_map<uint32_t, std::shared_ptr<std::atomic<uint32_t>>> queued_;
  // Used by the thread alone.
  DtlsRegistry registry_{*this};
  PublishInterval publishInterval_;

  JoinedThread thread_;
  int startError_ = 0;
};

}  // namespace streamkit
