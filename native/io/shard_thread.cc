#include "shard_thread.h"

#include <cerrno>

#include "clock.h"
#include "thread_priority.h"

namespace streamkit {
namespace {

/** Packets sent before what was posted is looked at again: some 2 ms. */
constexpr size_t kPacketsPerTurn = 1536;

}  // namespace

ShardThread::ShardThread(const MediaShard::Options& options, bool gso, MediaShardListener& listener,
                         TcpSockets& tcp, RelaySockets& relays)
    : gso_(gso), sockets_(tcp, relays, stats_), shard_(options, sockets_, listener, stats_) {
  stats_.gso = gso;
  startError_ = queue_.wakeup().valid() ? thread_.start(this) : EMFILE;
}

void ShardThread::addSocket(std::unique_ptr<UdpSocket> socket) {
  // A command can be copied, a socket cannot: it is handed over by its bare pointer.
  UdpSocket* const handedOver = socket.release();
  queue_.push(
      [this, handedOver](MediaShard&, int64_t) { sockets_.add(std::unique_ptr<UdpSocket>(handedOver)); });
}

bool ShardThread::postRtcp(uint32_t transport, Bytes data) {
  auto copy = std::make_shared<std::vector<uint8_t>>(data.begin(), data.end());
  return queue_.pushPacket(
      [transport, copy](MediaShard& shard, int64_t nowUs) { shard.receiveRtcp(transport, *copy, nowUs); });
}

void ShardThread::stop() {
  if (thread_.running()) {
    queue_.stop();
    thread_.join();
    sockets_.clear();
  }
}

void ShardThread::run() {
  preferThisThread();
  std::optional<int64_t> dueUs;
  for (bool goesOn = true; goesOn;) {
    waitUntil(dueUs, monotonicUs());
    goesOn = queue_.run(shard_);
    const int64_t nowUs = monotonicUs();
    dueUs = shard_.advance(nowUs, kPacketsPerTurn);
    if (publishInterval_.isOver(nowUs, !goesOn)) {
      publish();
    }
  }
}

void ShardThread::publish() {
  stats_.cpuUs = static_cast<uint64_t>(threadCpuUs());
  stats_.gso = gso_ && sockets_.segments();
}

void ShardThread::waitUntil(std::optional<int64_t> dueUs, int64_t nowUs) {
  pollFds_.assign(1, {queue_.wakeup().fd(), POLLIN, 0});
  sockets_.appendTo(pollFds_, false);
  if (pollUntil(pollFds_, dueUs, nowUs) <= 0) {
    return;
  }
  if (pollFds_[0].revents != 0) {
    queue_.wakeup().drain();
  }
  sockets_.flush(pollFds_.data() + 1);
}

}  // namespace streamkit
