#include "relay_sockets.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#ifdef __linux__
#include <sys/epoll.h>
#endif

namespace streamkit {
namespace {

constexpr int kEventsPerTurn = 128;
/** Datagrams that are read of one socket before the others have their turn. */
constexpr int kReadsPerTurn = 32;
/** Steps of TLS handshakes, some 1 ms each, before media has its turn. */
constexpr int kHandshakesPerTurn = 4;
/** Each is used by one viewer, and there may be thousands. */
constexpr size_t kBufferBytes = 256 * 1024;

}  // namespace

RelaySockets::~RelaySockets() {
  clear();
}

RelaySockets::Opened RelaySockets::open([[maybe_unused]] uint32_t endpoint,
                                        [[maybe_unused]] const SocketAddress& local,
                                        [[maybe_unused]] const SocketAddress& server) {
#ifdef __linux__
  auto opened = UdpSocket::open(local, kBufferBytes);
  if (opened.socket == nullptr) {
    return {.error = opened.error};
  }
  if (!gso_) {
    opened.socket->stopSegmenting();
  }
  const SocketAddress bound = opened.socket->local();
  const int fd = opened.socket->fd();
  return admit(endpoint, fd, bound, nextSocket_, [&](int number) {
    return std::make_shared<RelaySocket>(std::move(opened.socket), number, epoll_, endpoint, server);
  });
#else
  return {.error = ENOTSUP};
#endif
}

RelaySockets::Opened RelaySockets::dial([[maybe_unused]] uint32_t endpoint,
                                        [[maybe_unused]] const SocketAddress& server,
                                        [[maybe_unused]] std::unique_ptr<TlsClient> tls) {
#ifdef __linux__
  {
    // The server is to see no connection that has no place here.
    const std::lock_guard lock(mutex_);
    const Limit limit = limitOf(endpoint, nextConnection_);
    if (limit != Limit::kNone) {
      return {.limit = limit};
    }
  }
  SocketAddress local;
  int error = 0;
  const int fd = TcpConnection::dial(server, local, error);
  if (fd < 0) {
    return {.error = error};
  }
  bool isOwned = false;
  const auto opened = admit(endpoint, fd, local, nextConnection_, [&](int number) {
    isOwned = true;
    auto connection = std::make_unique<TcpConnection>(fd, epoll_, static_cast<uint64_t>(number), server);
    return std::make_shared<RelaySocket>(std::move(connection), std::move(tls), number, endpoint);
  });
  if (!isOwned) {
    ::close(fd);
  }
  return opened;
#else
  return {.error = ENOTSUP};
#endif
}

#ifdef __linux__
RelaySockets::Limit RelaySockets::limitOf(uint32_t endpoint, int nextNumber) const {
  const auto ofOne = std::count_if(byNumber_.begin(), byNumber_.end(),
                                   [&](const auto& each) { return each.second->endpoint() == endpoint; });
  if (static_cast<size_t>(ofOne) >= kMaxSocketsOfOne) {
    return Limit::kEndpoint;
  }
  const int end =
      nextNumber < kFirstStreamRelaySocket ? kFirstStreamRelaySocket : std::numeric_limits<int>::max();
  return byNumber_.size() >= kMaxSockets || nextNumber + 1 >= end ? Limit::kPlane : Limit::kNone;
}

template <typename Create>
RelaySockets::Opened RelaySockets::admit(uint32_t endpoint, int fd, const SocketAddress& local,
                                         int& nextNumber, Create&& create) {
  // It is open already: the threads that send do not wait for that.
  const std::lock_guard lock(mutex_);
  const Limit limit = limitOf(endpoint, nextNumber);
  if (limit != Limit::kNone) {
    return {.limit = limit};
  }
  if (epoll_ < 0) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
  }
  if (epoll_ < 0) {
    return {.error = errno};
  }
  const int number = nextNumber++;
  const Socket socket = create(number);
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.u64 = static_cast<uint64_t>(number);
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &interest) != 0) {
    return {.error = errno};
  }
  byNumber_[number] = socket;
  return {.socket = number, .local = local};
}
#endif

RelaySockets::Socket RelaySockets::find(int socket) const {
  const std::lock_guard lock(mutex_);
  const auto found = byNumber_.find(socket);
  return found == byNumber_.end() ? nullptr : found->second;
}

void RelaySockets::send(int number, const SocketAddress& to, Bytes datagrams, size_t segmentBytes,
                        PlaneStats& stats) {
  if (const Socket socket = find(number)) {
    socket->send(to, datagrams, segmentBytes, stats);
  }
}

bool RelaySockets::blocked(int number) const {
  const Socket socket = find(number);
  return socket != nullptr && socket->blocked();
}

void RelaySockets::bind(int number, uint16_t channel, const SocketAddress& peer) {
  if (const Socket socket = find(number)) {
    socket->bind(channel, peer);
  }
}

void RelaySockets::unbind(int number, uint16_t channel) {
  if (const Socket socket = find(number)) {
    socket->unbind(channel);
  }
}

void RelaySockets::sendToServer(int number, Bytes message) {
  if (const Socket socket = find(number)) {
    socket->sendToServer(message, stats_);
  }
}

void RelaySockets::close(int number, MediaCore& core, int64_t nowUs) {
  const Socket socket = find(number);
  if (socket == nullptr) {
    return;
  }
  {
    // A thread that sends on it now closes it when it has done so.
    const std::lock_guard lock(mutex_);
    byNumber_.erase(number);
  }
  socket->end(stats_);
  core.socketClosed(socket->endpoint(), number, nowUs);
}

void RelaySockets::run([[maybe_unused]] MediaCore& core, [[maybe_unused]] int64_t nowUs) {
#ifdef __linux__
  if (epoll_ < 0) {
    return;
  }
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = epoll_wait(epoll_, events.data(), kEventsPerTurn, 0);
  int handshakes = 0;
  for (int i = 0; i < count; i += 1) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    const Socket socket = find(static_cast<int>(event.data.u64));
    if (socket == nullptr) {
      continue;
    }
    if ((event.events & EPOLLOUT) != 0) {
      socket->flush(stats_);
    }
    if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) {
      continue;
    }
    if (socket->isHandshaking() && handshakes++ >= kHandshakesPerTurn) {
      // It is reported again.
      continue;
    }
    if (socket->isStream()) {
      receiveStream(*socket, core, nowUs);
    } else {
      receive(*socket, core, nowUs);
    }
  }
#endif
}

void RelaySockets::receiveStream(RelaySocket& socket, MediaCore& core, int64_t nowUs) {
  const bool goesOn = socket.receive(
      buffer_, stats_, [&](MutableBytes message) { receiveDatagram(socket, message, core, nowUs); });
  if (!goesOn) {
    close(socket.number(), core, nowUs);
    listener_.onRelayEnded(socket.endpoint(), socket.number(), socket.endReason());
  }
}

void RelaySockets::receive(const RelaySocket& socket, MediaCore& core, int64_t nowUs) {
  const auto buffer = MutableBytes(buffer_).first(UdpSocket::kMaxDatagramBytes);
  for (int reads = 0; reads < kReadsPerTurn; reads += 1) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    const ssize_t bytes = recvfrom(socket.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&storage), &length);
    if (bytes < 0) {
      return;
    }
    if (SocketAddress::fromKernel(storage) == socket.server()) {
      receiveDatagram(socket, buffer.first(static_cast<size_t>(bytes)), core, nowUs);
    } else {
      stats_.received += 1;
      stats_.droppedUnknownSource += 1;
    }
  }
}

void RelaySockets::receiveDatagram(const RelaySocket& socket, MutableBytes datagram, MediaCore& core,
                                   int64_t nowUs) {
  if (isChannelData(datagram)) {
    const auto relayed = ChannelData::parse(datagram);
    const auto peer = relayed.has_value() ? socket.peerOf(relayed->channel) : std::nullopt;
    if (peer.has_value()) {
      core.receive(socket.number(), *peer, relayed->data, nowUs);
      return;
    }
    stats_.received += 1;
    (relayed.has_value() ? stats_.droppedUnknownSource : stats_.droppedMalformed) += 1;
    return;
  }
  if (DataIndication::isOne(datagram)) {
    const auto relayed = DataIndication::parse(datagram);
    // A peer that has no channel yet is one that nobody has answered: it may prove who it is, and no more.
    if (relayed.has_value() && packetKindOf(relayed->data) == PacketKind::kStun) {
      core.receive(socket.number(), relayed->peer, relayed->data, nowUs);
      return;
    }
    stats_.received += 1;
    (relayed.has_value() ? stats_.droppedUnknownSource : stats_.droppedMalformed) += 1;
    return;
  }
  stats_.received += 1;
  if (socket.isAnswer(datagram)) {
    listener_.onRelayAnswer(socket.endpoint(), socket.number(), datagram);
  } else {
    stats_.droppedUnknownSource += 1;
  }
}

void RelaySockets::clear() {
  const std::lock_guard lock(mutex_);
  byNumber_.clear();
  if (epoll_ >= 0) {
    ::close(epoll_);
    epoll_ = -1;
  }
}

}  // namespace streamkit
