#include "io_thread.h"

#include <algorithm>
#include <cerrno>

#include "clock.h"
#include "thread_priority.h"

namespace streamkit {
namespace {

/** Packets sent before the sockets are looked at again: some 2 ms. */
constexpr size_t kPacketsPerTurn = 1536;
/** Batches received before the pacers are looked at again. */
constexpr int kReceiveTurns = 16;
/**
 * Viewers' reports are read together, this long after the last ones: at some hundred viewers each would wake
 * the thread for itself, which costs more than to read it. A retransmission may be this much later. What ICE
 * and DTLS wait for is read at once, unless reports have just been.
 */
constexpr int64_t kReceiveRestUs = 5'000;

std::vector<std::unique_ptr<ShardThread>> startShards(const MediaCore::Options& options, bool gso,
                                                      MediaShardListener& listener, TcpSockets& tcp,
                                                      RelaySockets& relays, size_t count) {
  std::vector<std::unique_ptr<ShardThread>> shards;
  for (size_t i = 0; count > 1 && i < count; i += 1) {
    MediaShard::Options own = options;
    own.seed += static_cast<uint32_t>(i + 1);
    shards.push_back(std::make_unique<ShardThread>(own, gso, listener, tcp, relays));
  }
  return shards;
}

std::vector<ShardLink*> linksOf(const std::vector<std::unique_ptr<ShardThread>>& shards) {
  std::vector<ShardLink*> links;
  for (const auto& shard : shards) {
    links.push_back(shard.get());
  }
  return links;
}

}  // namespace

IoThread::IoThread(const MediaCore::Options& options, bool gso, Listener& listener, size_t sendThreads)
    : gso_(gso),
      tcp_(stats_),
      relays_(listener, gso, stats_),
      shards_(startShards(options, gso, listener, tcp_, relays_, sendThreads)),
      dtls_(queue_, listener),
      sockets_(tcp_, relays_, stats_),
      core_(options, sockets_, listener, stats_, linksOf(shards_), &dtls_),
      mediaSockets_(listener) {
  stats_.gso = gso;
  startError_ = queue_.wakeup().valid() ? dtls_.startError() : EMFILE;
  for (const auto& shard : shards_) {
    startError_ = startError_ == 0 ? shard->startError() : startError_;
  }
  if (startError_ == 0) {
    startError_ = thread_.start(this);
  }
}

IoThread::~IoThread() {
  stop();
}

void IoThread::addStats(PlaneStats& sum) const {
  sum.add(stats_);
  sum.add(dtls_.stats());
  bool gso = shards_.empty() && stats_.gso;
  for (const auto& shard : shards_) {
    sum.add(shard->stats());
    gso = gso || shard->stats().gso;
  }
  sum.gso = gso;
}

int IoThread::addSocket(std::unique_ptr<UdpSocket> socket) {
  if (!gso_) {
    socket->stopSegmenting();
  }
  std::vector<std::unique_ptr<UdpSocket>> shares;
  for (size_t i = 0; i < shards_.size(); i += 1) {
    auto share = socket->share().socket;
    if (share == nullptr) {
      return -1;
    }
    shares.push_back(std::move(share));
  }
  // First, so that they have it before they are told of a viewer that is reached by it.
  for (size_t i = 0; i < shards_.size(); i += 1) {
    shards_[i]->addSocket(std::move(shares[i]));
  }
  // A command can be copied, a socket cannot: it is handed over by its bare pointer.
  UdpSocket* const handedOver = socket.release();
  queue_.push(
      [this, handedOver](MediaCore&, int64_t) { sockets_.add(std::unique_ptr<UdpSocket>(handedOver)); });
  return nextSocket_++;
}

TcpSockets::Listening IoThread::listen(const SocketAddress& address) {
  const auto listening = tcp_.listen(address);
  // The thread looks at its listeners from its next turn on.
  queue_.push([](MediaCore&, int64_t) {});
  return listening;
}

RelaySockets::Opened IoThread::openRelay(uint32_t endpoint, const SocketAddress& local,
                                         const SocketAddress& server) {
  const auto opened = relays_.open(endpoint, local, server);
  // The thread looks at its relays from its next turn on.
  queue_.push([](MediaCore&, int64_t) {});
  return opened;
}

RelaySockets::Opened IoThread::dialRelay(uint32_t endpoint, const SocketAddress& server,
                                         std::unique_ptr<TlsClient> tls) {
  const auto opened = relays_.dial(endpoint, server, std::move(tls));
  queue_.push([](MediaCore&, int64_t) {});
  return opened;
}

void IoThread::bindChannel(int relay, uint16_t channel, const SocketAddress& peer) {
  queue_.push([=, this](MediaCore&, int64_t) { relays_.bind(relay, channel, peer); });
}

void IoThread::unbindChannel(int relay, uint16_t channel) {
  queue_.push([=, this](MediaCore&, int64_t) { relays_.unbind(relay, channel); });
}

void IoThread::postToRelay(int relay, Bytes message) {
  queue_.pushPacket([this, relay, copy = std::vector<uint8_t>(message.begin(), message.end())](
                        MediaCore&, int64_t) { relays_.sendToServer(relay, copy); });
}

void IoThread::closeRelay(int relay) {
  queue_.push([=, this](MediaCore& core, int64_t nowUs) { relays_.close(relay, core, nowUs); });
}

void IoThread::addMediaSocket(uint32_t id, int fd, std::shared_ptr<MediaSocketStats> stats) {
  auto* const handedOver = new MediaSocket(id, fd, std::move(stats));
  queue_.push([this, handedOver](MediaCore&, int64_t) {
    mediaSockets_.add(std::unique_ptr<MediaSocket>(handedOver));
  });
}

void IoThread::bindMediaStream(uint32_t mediaSocket, uint8_t slot, uint32_t producer) {
  queue_.push([=, this](MediaCore&, int64_t) {
    if (MediaSocket* const socket = mediaSockets_.find(mediaSocket)) {
      socket->ingress().bind(slot, producer);
    }
  });
}

void IoThread::unbindMediaStream(uint32_t mediaSocket, uint8_t slot) {
  queue_.push([=, this](MediaCore&, int64_t) {
    if (MediaSocket* const socket = mediaSockets_.find(mediaSocket)) {
      socket->ingress().unbind(slot);
    }
  });
}

void IoThread::closeMediaSocket(uint32_t id) {
  queue_.push([=, this](MediaCore&, int64_t) { mediaSockets_.close(id); });
}

void IoThread::post(Command command) {
  queue_.push(std::move(command));
}

void IoThread::postPacket(uint32_t endpoint, int socket, const SocketAddress& to, Bytes data) {
  queue_.pushPacket(
      [endpoint, socket, to, copy = std::vector<uint8_t>(data.begin(), data.end())](
          MediaCore& core, int64_t nowUs) { core.sendPacket(endpoint, socket, to, copy, nowUs); });
}

void IoThread::postDtls(uint32_t endpoint, Bytes data) {
  queue_.pushPacket([endpoint, copy = std::vector<uint8_t>(data.begin(), data.end())](
                        MediaCore& core, int64_t) { core.sendDtls(endpoint, copy); });
}

void IoThread::postFrame(uint32_t producer, EncodedFrame frame) {
  queue_.pushFrame(producer, std::move(frame), false);
}

void IoThread::postCloseProducer(uint32_t producer) {
  queue_.pushCloseProducer(producer);
}

void IoThread::stop() {
  if (thread_.running()) {
    queue_.stop();
    thread_.join();
  }
  // What this thread has posted to them last is done too.
  dtls_.stop();
  for (const auto& shard : shards_) {
    shard->stop();
  }
  sockets_.clear();
  tcp_.clear();
  relays_.clear();
  mediaSockets_.clear();
}

void IoThread::run() {
  preferThisThread();
  std::optional<int64_t> dueUs;
  for (bool goesOn = true; goesOn;) {
    waitUntil(dueUs, monotonicUs());
    goesOn = queue_.run(core_);
    bool more = receive();
    // Before the packets go out, so that a frame leaves in the turn in which its last byte was read.
    more = mediaSockets_.read(core_, monotonicUs()) || more;
    const int64_t nowUs = monotonicUs();
    tcp_.run(core_, nowUs);
    relays_.run(core_, nowUs);
    dueUs = core_.advance(nowUs, kPacketsPerTurn);
    if (const auto tcpDueUs = tcp_.nextDueUs()) {
      dueUs = std::min(dueUs.value_or(*tcpDueUs), *tcpDueUs);
    }
    if (more) {
      dueUs = nowUs;
    }
    if (publishInterval_.isOver(nowUs, !goesOn)) {
      publish();
    }
  }
}

void IoThread::publish() {
  stats_.cpuUs = static_cast<uint64_t>(threadCpuUs());
  stats_.gso = gso_ && sockets_.segments();
}

void IoThread::waitUntil(std::optional<int64_t> dueUs, int64_t nowUs) {
  pollFds_.assign(1, {queue_.wakeup().fd(), POLLIN, 0});
  // They only wake the thread: each turn asks them what there is.
  pollFds_.push_back({tcp_.pollFd(), POLLIN, 0});
  pollFds_.push_back({relays_.pollFd(), POLLIN, 0});
  const size_t others = pollFds_.size();
  sockets_.appendTo(pollFds_, !rests(nowUs));
  mediaSockets_.appendTo(pollFds_);
  if (rests(nowUs)) {
    dueUs = std::min(dueUs.value_or(restUntilUs_), restUntilUs_);
  }
  if (pollUntil(pollFds_, dueUs, nowUs) <= 0) {
    return;
  }
  if (pollFds_[0].revents != 0) {
    queue_.wakeup().drain();
  }
  sockets_.flush(pollFds_.data() + others);
  mediaSockets_.noteReadable(pollFds_.data() + others + sockets_.size());
}

bool IoThread::receive() {
  bool more = false;
  bool reports = false;
  bool others = false;
  for (size_t i = 0; i < sockets_.size(); i += 1) {
    bool full = true;
    for (int turn = 0; full && turn < kReceiveTurns; turn += 1) {
      const int64_t nowUs = monotonicUs();
      full = sockets_.at(i).receive([&](const SocketAddress& from, MutableBytes data) {
        (packetKindOf(data) == PacketKind::kRtcp ? reports : others) = true;
        core_.receive(static_cast<int>(i), from, data, nowUs);
      });
    }
    more = more || full;
  }
  if (others) {
    restUntilUs_ = 0;
  } else if (reports) {
    restUntilUs_ = monotonicUs() + kReceiveRestUs;
  }
  return more;
}

}  // namespace streamkit
