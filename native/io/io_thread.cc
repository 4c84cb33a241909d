#include "io_thread.h"

#include <algorithm>
#include <cerrno>

#include "clock.h"

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
constexpr int64_t kReceiveRestUs = 2'000;
constexpr int64_t kCpuPublishIntervalUs = 10'000;

}  // namespace

IoThread::IoThread(const MediaCore::Options& options, bool gso, Listener& listener)
    : gso_(gso), core_(options, *this, listener, stats_), mediaSockets_(listener) {
  stats_.gso = gso;
  if (!wakeup_.valid()) {
    startError_ = EMFILE;
    return;
  }
  // Not std::thread: without exceptions it ends the process if the system gives no thread.
  startError_ = pthread_create(
      &thread_, nullptr,
      [](void* self) -> void* {
        static_cast<IoThread*>(self)->run();
        return nullptr;
      },
      this);
  running_ = startError_ == 0;
}

IoThread::~IoThread() {
  stop();
}

int IoThread::addSocket(std::unique_ptr<UdpSocket> socket) {
  if (!gso_) {
    socket->stopSegmenting();
  }
  // A command can be copied, a socket cannot: it is handed over by its bare pointer.
  UdpSocket* const handedOver = socket.release();
  enqueue([this, handedOver](MediaCore&, int64_t) { sockets_.emplace_back(handedOver); });
  return nextSocket_++;
}

void IoThread::addMediaSocket(uint32_t id, int fd, std::shared_ptr<MediaSocketStats> stats) {
  auto* const handedOver = new MediaSocket(id, fd, std::move(stats));
  enqueue([this, handedOver](MediaCore&, int64_t) {
    mediaSockets_.add(std::unique_ptr<MediaSocket>(handedOver));
  });
}

void IoThread::bindMediaStream(uint32_t mediaSocket, uint8_t slot, uint32_t producer) {
  enqueue([=, this](MediaCore&, int64_t) {
    if (MediaSocket* const socket = mediaSockets_.find(mediaSocket)) {
      socket->ingress().bind(slot, producer);
    }
  });
}

void IoThread::unbindMediaStream(uint32_t mediaSocket, uint8_t slot) {
  enqueue([=, this](MediaCore&, int64_t) {
    if (MediaSocket* const socket = mediaSockets_.find(mediaSocket)) {
      socket->ingress().unbind(slot);
    }
  });
}

void IoThread::closeMediaSocket(uint32_t id) {
  enqueue([=, this](MediaCore&, int64_t) { mediaSockets_.close(id); });
}

void IoThread::post(Command command) {
  enqueue(std::move(command));
}

void IoThread::postPacket(uint32_t endpoint, int socket, const SocketAddress& to, Bytes data) {
  enqueuePacket([endpoint, socket, to, copy = std::vector<uint8_t>(data.begin(), data.end())](
                    MediaCore& core, int64_t nowUs) { core.sendPacket(endpoint, socket, to, copy, nowUs); });
}

void IoThread::postDtls(uint32_t endpoint, Bytes data) {
  enqueuePacket([endpoint, copy = std::vector<uint8_t>(data.begin(), data.end())](MediaCore& core, int64_t) {
    core.sendDtls(endpoint, copy);
  });
}

void IoThread::enqueuePacket(Command send) {
  {
    const std::lock_guard lock(mutex_);
    if (queuedPackets_ >= kMaxQueuedPackets) {
      return;
    }
    queuedPackets_ += 1;
  }
  enqueue([this, send = std::move(send)](MediaCore& core, int64_t nowUs) {
    {
      const std::lock_guard lock(mutex_);
      queuedPackets_ -= 1;
    }
    send(core, nowUs);
  });
}

void IoThread::postFrame(uint32_t producer, EncodedFrame frame) {
  const size_t bytes = frame.payloadBytes();
  bool gap = false;
  {
    const std::lock_guard lock(mutex_);
    if (queuedFrames_ >= kMaxQueuedFrames || queuedFrameBytes_ + bytes > kMaxQueuedFrameBytes) {
      producersWithGap_.insert(producer);
      return;
    }
    gap = producersWithGap_.erase(producer) > 0;
    queuedFrames_ += 1;
    queuedFrameBytes_ += bytes;
  }
  auto shared = std::make_shared<EncodedFrame>(std::move(frame));
  enqueue([this, producer, shared, gap, bytes](MediaCore& core, int64_t nowUs) {
    {
      const std::lock_guard lock(mutex_);
      queuedFrames_ -= 1;
      queuedFrameBytes_ -= bytes;
    }
    core.sendFrame(producer, std::move(*shared), gap, nowUs);
  });
}

void IoThread::postCloseProducer(uint32_t producer) {
  {
    const std::lock_guard lock(mutex_);
    producersWithGap_.erase(producer);
  }
  enqueue([producer](MediaCore& core, int64_t nowUs) { core.closeProducer(producer, nowUs); });
}

void IoThread::stop() {
  if (!running_) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wakeup_.notify();
  pthread_join(thread_, nullptr);
  running_ = false;
  sockets_.clear();
  mediaSockets_.clear();
}

void IoThread::enqueue(Command command) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = commands_.empty();
    commands_.push_back(std::move(command));
  }
  if (first) {
    wakeup_.notify();
  }
}

void IoThread::runCommands() {
  std::vector<Command> commands;
  {
    const std::lock_guard lock(mutex_);
    commands.swap(commands_);
  }
  for (const Command& command : commands) {
    command(core_, monotonicUs());
  }
}

void IoThread::run() {
  std::optional<int64_t> dueUs;
  for (;;) {
    int64_t nowUs = monotonicUs();
    waitUntil(dueUs, nowUs);
    bool stopping = false;
    {
      const std::lock_guard lock(mutex_);
      stopping = stopping_;
    }
    runCommands();
    bool more = receive();
    // Before the packets go out, so that a frame leaves in the turn in which its last byte was read.
    more = mediaSockets_.read(core_, monotonicUs()) || more;
    nowUs = monotonicUs();
    dueUs = core_.advance(nowUs, kPacketsPerTurn);
    if (more) {
      dueUs = nowUs;
    }
    if (nowUs - cpuPublishedUs_ >= kCpuPublishIntervalUs || stopping) {
      cpuPublishedUs_ = nowUs;
      publish();
    }
    // What was posted before the stop was taken with it, or before.
    if (stopping) {
      return;
    }
  }
}

void IoThread::publish() {
  stats_.cpuUs = static_cast<uint64_t>(threadCpuUs());
  stats_.gso = gso_ && (sockets_.empty() || std::any_of(sockets_.begin(), sockets_.end(),
                                                        [](const auto& each) { return each->segments(); }));
}

void IoThread::waitUntil(std::optional<int64_t> dueUs, int64_t nowUs) {
  pollFds_.assign(1, {wakeup_.fd(), POLLIN, 0});
  for (const auto& socket : sockets_) {
    const int events = (rests(nowUs) ? 0 : POLLIN) | (socket->blocked() ? POLLOUT : 0);
    // poll() passes over a negative descriptor; one without events it would still tell errors of.
    pollFds_.push_back({events == 0 ? -1 : socket->fd(), static_cast<short>(events), 0});
  }
  mediaSockets_.appendTo(pollFds_);
  if (rests(nowUs)) {
    dueUs = std::min(dueUs.value_or(restUntilUs_), restUntilUs_);
  }
  const int64_t waitUs = dueUs.has_value() ? std::max<int64_t>(0, *dueUs - nowUs) : -1;
#ifdef __linux__
  const timespec timeout{static_cast<time_t>(waitUs / 1'000'000),
                         static_cast<long>(waitUs % 1'000'000 * 1000)};
  const int ready = ppoll(pollFds_.data(), pollFds_.size(), waitUs < 0 ? nullptr : &timeout, nullptr);
#else
  const int ready = poll(pollFds_.data(), static_cast<nfds_t>(pollFds_.size()),
                         waitUs < 0 ? -1 : static_cast<int>((waitUs + 999) / 1000));
#endif
  if (ready <= 0) {
    return;
  }
  if (pollFds_[0].revents != 0) {
    wakeup_.drain();
  }
  for (size_t i = 0; i < sockets_.size(); i += 1) {
    if ((pollFds_[i + 1].revents & POLLOUT) != 0) {
      sockets_[i]->flush(stats_);
    }
  }
  mediaSockets_.noteReadable(pollFds_.data() + 1 + sockets_.size());
}

bool IoThread::receive() {
  bool more = false;
  bool reports = false;
  bool others = false;
  for (size_t i = 0; i < sockets_.size(); i += 1) {
    bool full = true;
    for (int turn = 0; full && turn < kReceiveTurns; turn += 1) {
      const int64_t nowUs = monotonicUs();
      full = sockets_[i]->receive([&](const SocketAddress& from, MutableBytes data) {
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

void IoThread::send(int socket, const SocketAddress& to, Bytes datagrams, size_t segmentBytes) {
  if (socket >= 0 && static_cast<size_t>(socket) < sockets_.size()) {
    sockets_[static_cast<size_t>(socket)]->send(to, datagrams, segmentBytes, stats_);
  }
}

bool IoThread::blocked(int socket) const {
  return socket >= 0 && static_cast<size_t>(socket) < sockets_.size() &&
         sockets_[static_cast<size_t>(socket)]->blocked();
}

}  // namespace streamkit
