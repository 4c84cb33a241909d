#include "tcp_sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#ifdef __linux__
#include <sys/epoll.h>
#endif

namespace streamkit {
namespace {

constexpr int kListenBacklog = 128;
/** Connections taken per turn: media waits meanwhile. */
constexpr int kAcceptsPerTurn = 32;
constexpr int kEventsPerTurn = 128;

#ifdef __linux__
void setOption(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof value);
}

int openListener(const SocketAddress& address, SocketAddress& local, int& error) {
  const int fd = socket(address.isIpv6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    error = errno;
    return -1;
  }
  // A server that is started again does not wait for the connections of the one before it.
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.isIpv6()) {
    setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
  sockaddr_storage storage{};
  socklen_t length = address.toKernel(storage);
  if (bind(fd, reinterpret_cast<sockaddr*>(&storage), length) != 0 || ::listen(fd, kListenBacklog) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    error = errno;
    close(fd);
    return -1;
  }
  local = SocketAddress::fromKernel(storage).value_or(address);
  return fd;
}
#endif

}  // namespace

TcpSockets::TcpSockets(PlaneStats& stats, size_t maxUnproven) : stats_(stats), maxUnproven_(maxUnproven) {}

TcpSockets::~TcpSockets() {
  clear();
}

TcpSockets::Listening TcpSockets::listen([[maybe_unused]] const SocketAddress& address) {
#ifdef __linux__
  const std::lock_guard lock(mutex_);
  if (epoll_ < 0) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
  }
  if (epoll_ < 0) {
    return {.error = errno};
  }
  SocketAddress local;
  int error = 0;
  const int fd = openListener(address, local, error);
  if (fd < 0) {
    return {.error = error};
  }
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.u64 = listeners_.size();
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &interest) != 0) {
    error = errno;
    close(fd);
    return {.error = error};
  }
  listeners_.push_back(fd);
  hasListener_ = true;
  return {kFirstStreamSocket + static_cast<int>(listeners_.size()) - 1, local.port(), 0};
#else
  return {.error = ENOTSUP};
#endif
}

TcpSockets::Accepted TcpSockets::find(int socket, const SocketAddress& remote) const {
  const std::lock_guard lock(mutex_);
  const auto found = bySource_.find({socket, remote});
  return found == bySource_.end() ? nullptr : found->second;
}

void TcpSockets::send(int socket, const SocketAddress& to, Bytes datagrams, size_t segmentBytes,
                      PlaneStats& stats) {
  if (const Accepted accepted = find(socket, to)) {
    accepted->connection.send(datagrams, segmentBytes, stats);
  }
}

bool TcpSockets::blocked(int socket, const SocketAddress& to) const {
  const Accepted accepted = find(socket, to);
  return accepted != nullptr && accepted->connection.blocked();
}

void TcpSockets::run([[maybe_unused]] MediaCore& core, [[maybe_unused]] int64_t nowUs) {
#ifdef __linux__
  if (!hasListener_) {
    return;
  }
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = epoll_wait(epoll_, events.data(), kEventsPerTurn, 0);
  for (int i = 0; i < count; i += 1) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    if (event.data.u64 < kFirstConnectionId) {
      accept(static_cast<int>(event.data.u64), core, nowUs);
      continue;
    }
    const auto found = byId_.find(event.data.u64);
    if (found == byId_.end()) {
      continue;
    }
    const Accepted accepted = found->second;
    if ((event.events & EPOLLOUT) != 0) {
      accepted->connection.flush();
    }
    if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
      receive(accepted, core, nowUs);
    }
  }
  closeAbandoned(core, nowUs);
  if (nowUs >= sweptUs_ + kSweepIntervalUs) {
    sweep(core, nowUs);
  }
#endif
}

void TcpSockets::accept([[maybe_unused]] int listener, [[maybe_unused]] MediaCore& core,
                        [[maybe_unused]] int64_t nowUs) {
#ifdef __linux__
  int fd = -1;
  {
    const std::lock_guard lock(mutex_);
    fd = listeners_[static_cast<size_t>(listener)];
  }
  for (int i = 0; i < kAcceptsPerTurn; i += 1) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    const int accepted =
        accept4(fd, reinterpret_cast<sockaddr*>(&storage), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        isFull_ = true;
        watchListeners(false);
      }
      return;
    }
    const auto remote = SocketAddress::fromKernel(storage);
    if (remote.has_value()) {
      admit(kFirstStreamSocket + listener, accepted, *remote, core, nowUs);
    } else {
      close(accepted);
    }
  }
#endif
}

void TcpSockets::admit([[maybe_unused]] int socket, int fd, const SocketAddress& remote,
                       [[maybe_unused]] MediaCore& core, [[maybe_unused]] int64_t nowUs) {
#ifdef __linux__
  // The one before it from the same port may have ended without a word of it until now.
  if (const Accepted before = find(socket, remote)) {
    drop(before, core, nowUs);
  }
  const bool hasRoom = makeRoom(remote, core, nowUs);
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.u64 = nextId_;
  if (!hasRoom || epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &interest) != 0) {
    close(fd);
    stats_.tcpRefused += 1;
    return;
  }
  TcpConnection::prepare(fd);
  const auto accepted = std::make_shared<Viewer>(fd, epoll_, nextId_, remote, socket, nowUs);
  if (byId_.empty()) {
    sweptUs_ = nowUs;
  }
  unproven_.insert(nextId_);
  unprovenByNetwork_[remote.network()].insert(nextId_);
  byId_[nextId_++] = accepted;
  stats_.tcpConnections = byId_.size();
  const std::lock_guard lock(mutex_);
  bySource_.insert_or_assign({socket, remote}, accepted);
#endif
}

bool TcpSockets::makeRoom(const SocketAddress& remote, MediaCore& core, int64_t nowUs) {
  while (true) {
    const auto ofNetwork = unprovenByNetwork_.find(remote.network());
    const bool isNetworkFull =
        ofNetwork != unprovenByNetwork_.end() && ofNetwork->second.size() >= kMaxUnprovenPerNetwork;
    const bool isFull = byId_.size() >= kMaxConnections;
    if (!isNetworkFull && !isFull && unproven_.size() < maxUnproven_) {
      return true;
    }
    if (unproven_.empty()) {
      return false;
    }
    const uint64_t oldest = isNetworkFull ? *ofNetwork->second.begin() : *unproven_.begin();
    const Accepted accepted = byId_.find(oldest)->second;
    // What has come of it may be its proof.
    receive(accepted, core, nowUs);
    if (unproven_.contains(oldest)) {
      drop(accepted, core, nowUs);
    }
  }
}

void TcpSockets::receive(const Accepted& accepted, MediaCore& core, int64_t nowUs) {
  buffer_.resize(TcpConnection::kReadBytes);
  size_t bytes = 0;
  switch (accepted->connection.read(buffer_, bytes)) {
    case TcpConnection::Read::kNothing:
      return;
    case TcpConnection::Read::kEnded:
      drop(accepted, core, nowUs);
      return;
    case TcpConnection::Read::kBytes:
      break;
  }
  const bool goesOn = accepted->deframer.read(MutableBytes(buffer_).first(bytes), [&](MutableBytes packet) {
    return receivePacket(*accepted, packet, core, nowUs);
  });
  if (!goesOn) {
    stats_.droppedMalformed += 1;
    drop(accepted, core, nowUs);
  }
}

bool TcpSockets::receivePacket(Viewer& viewer, MutableBytes packet, MediaCore& core, int64_t nowUs) {
  const SocketAddress& remote = viewer.connection.remote();
  core.receive(viewer.socket, remote, packet, nowUs);
  if (!core.knows(viewer.socket, remote)) {
    return false;
  }
  if (!viewer.isProven) {
    viewer.isProven = true;
    forgetUnproven(viewer.connection);
  }
  return true;
}

void TcpSockets::drop(const Accepted& accepted, MediaCore& core, int64_t nowUs) {
  // A copy: what is given may be the one in the map that is erased.
  const Accepted dropped = accepted;
  const SocketAddress& remote = dropped->connection.remote();
  if (!dropped->isProven) {
    forgetUnproven(dropped->connection);
    stats_.tcpRefused += 1;
  }
  byId_.erase(dropped->connection.id());
  stats_.tcpConnections = byId_.size();
  {
    const std::lock_guard lock(mutex_);
    bySource_.erase({dropped->socket, remote});
  }
  dropped->connection.close();
  core.disconnected(dropped->socket, remote, nowUs);
}

void TcpSockets::forgetUnproven(const TcpConnection& connection) {
  unproven_.erase(connection.id());
  const auto found = unprovenByNetwork_.find(connection.remote().network());
  found->second.erase(connection.id());
  if (found->second.empty()) {
    unprovenByNetwork_.erase(found);
  }
}

void TcpSockets::closeAbandoned(MediaCore& core, int64_t nowUs) {
  for (const PacketSource& source : core.takeAbandoned()) {
    const Accepted accepted = find(source.listener, source.address);
    // It may have been heard again since.
    if (accepted != nullptr && !core.knows(source.listener, source.address)) {
      drop(accepted, core, nowUs);
    }
  }
}

void TcpSockets::sweep(MediaCore& core, int64_t nowUs) {
  sweptUs_ = nowUs;
  if (isFull_) {
    isFull_ = false;
    watchListeners(true);
  }
  std::vector<Accepted> ended;
  for (const auto& [_, accepted] : byId_) {
    const bool isLate = !accepted->isProven && nowUs - accepted->acceptedUs >= kProofLimitUs;
    if (isLate || (accepted->isProven && !core.knows(accepted->socket, accepted->connection.remote()))) {
      ended.push_back(accepted);
    }
  }
  for (const Accepted& accepted : ended) {
    drop(accepted, core, nowUs);
  }
}

void TcpSockets::watchListeners([[maybe_unused]] bool isWatched) {
#ifdef __linux__
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < listeners_.size(); i += 1) {
    epoll_event interest{};
    interest.events = isWatched ? EPOLLIN : 0U;
    interest.data.u64 = i;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, listeners_[i], &interest);
  }
#endif
}

std::optional<int64_t> TcpSockets::nextDueUs() const {
  return byId_.empty() && !isFull_ ? std::nullopt : std::optional(sweptUs_ + kSweepIntervalUs);
}

void TcpSockets::clear() {
  const std::lock_guard lock(mutex_);
  for (const auto& [_, accepted] : byId_) {
    accepted->connection.close();
  }
  byId_.clear();
  unproven_.clear();
  unprovenByNetwork_.clear();
  bySource_.clear();
  for (const int fd : listeners_) {
    close(fd);
  }
  listeners_.clear();
  hasListener_ = false;
  if (epoll_ >= 0) {
    close(epoll_);
    epoll_ = -1;
  }
}

}  // namespace streamkit
