#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dtls_client.h"
#include "viewer.h"
#include "viewer_socket.h"

namespace bench {

/** A socket without ICE or DTLS, for the raw limit: counts what arrives. */
struct Sink {
  explicit Sink(const GeneratorOptions& options)
      : socket(options.address, options.gro, options.receiveBufferBytes) {}
  ViewerSocket socket;
  uint64_t packets = 0;
  uint64_t bytes = 0;
};

/**
 * Many viewers, drained by one thread that sweeps over their sockets; those that are still connecting are
 * visited every ms. It does not wait for them by poll or epoll: the kernel would then wake it from within the
 * sender's system calls, and what that costs would be counted as the sender's.
 */
class LoadGenerator {
 public:
  LoadGenerator(const GeneratorOptions& options, int64_t sweepIntervalUs);
  ~LoadGenerator();
  LoadGenerator(const LoadGenerator&) = delete;
  LoadGenerator& operator=(const LoadGenerator&) = delete;

  const std::string& fingerprint() const { return context_.fingerprint(); }
  size_t add();
  size_t addSink();
  /** Calls `use` with the viewer while the thread stands still. @return false where there is no such viewer.
   */
  template <typename Use>
  bool withViewer(size_t index, Use use) {
    const Turn turn(*this);
    if (index >= viewers_.size() || viewers_[index] == nullptr)
      return false;
    use(*viewers_[index]);
    return true;
  }
  template <typename Use>
  void forEachViewer(Use use) {
    const Turn turn(*this);
    for (size_t i = 0; i < viewers_.size(); i++) {
      if (viewers_[i] != nullptr)
        use(i, *viewers_[i]);
    }
  }
  template <typename Use>
  void forEachSink(Use use) {
    const Turn turn(*this);
    for (auto& sink : sinks_)
      use(*sink);
  }
  void remove(size_t index);
  void removeSinks();
  void setSweepInterval(int64_t intervalUs) { sweepIntervalUs_ = intervalUs; }
  int64_t cpuUs() const { return cpuUs_; }
  /** Longest time between two visits of a socket since the last call, µs. */
  int64_t takeLongestSweep() { return longestSweepUs_.exchange(0); }
  /** Ends the thread. Idempotent. */
  void close();

 private:
  /** The lock for JavaScript's thread: the sweeping one, which takes it again at once, lets it pass. */
  class Turn {
   public:
    explicit Turn(LoadGenerator& generator) : generator_(generator) {
      generator_.waiting_ += 1;
      generator_.mutex_.lock();
      generator_.waiting_ -= 1;
    }
    ~Turn() { generator_.mutex_.unlock(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    LoadGenerator& generator_;
  };

  void run();
  void letOthersPass() const;
  void sweepViewers();
  /** Does nothing until the interval of connecting viewers has passed. */
  void sweepConnecting();
  void visit(Viewer& viewer, int64_t timeUs);
  void sweepSinks();

  GeneratorOptions options_;
  DtlsContext context_;
  ReceiveBatch batch_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Viewer>> viewers_;
  /** Indices of those that were connecting at their last visit. */
  std::vector<size_t> connecting_;
  int64_t nextConnectingUs_ = 0;
  std::vector<std::unique_ptr<Sink>> sinks_;
  std::atomic<int64_t> sweepIntervalUs_;
  std::atomic<int64_t> cpuUs_{0};
  std::atomic<int64_t> longestSweepUs_{0};
  std::atomic<int> waiting_{0};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace bench
