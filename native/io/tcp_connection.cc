#include "tcp_connection.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#ifdef __linux__
#include <sys/epoll.h>
#endif

#include "../core/stream_deframer.h"

namespace streamkit {
namespace {

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
constexpr int kSendFlags = MSG_DONTWAIT;
#endif

#ifdef __linux__
/**
 * The kernel takes no more while this many bytes wait in it to be sent for the first time: what waits longer
 * waits with us, where it can be dropped.
 */
constexpr int kNotSentBytes = 16 * 1024;
#endif

bool wouldBlock(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ENOBUFS;
}

}  // namespace

TcpConnection::TcpConnection(int fd, int epoll, uint64_t id, const SocketAddress& remote)
    : id_(id), epoll_(epoll), remote_(remote), fd_(fd) {}

int TcpConnection::dial([[maybe_unused]] const SocketAddress& to, [[maybe_unused]] SocketAddress& local,
                        int& error) {
#ifdef __linux__
  const int fd = socket(to.isIpv6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    error = errno;
    return -1;
  }
  prepare(fd);
  sockaddr_storage storage{};
  socklen_t length = to.toKernel(storage);
  const bool begins = connect(fd, reinterpret_cast<sockaddr*>(&storage), length) == 0 ||
                      errno == EINPROGRESS || errno == ECONNREFUSED;
  length = sizeof storage;
  if (!begins || getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    error = errno;
    ::close(fd);
    return -1;
  }
  local = SocketAddress::fromKernel(storage).value_or(local);
  return fd;
#else
  error = ENOTSUP;
  return -1;
#endif
}

void TcpConnection::prepare([[maybe_unused]] int fd) {
#ifdef __linux__
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kNotSentBytes, sizeof kNotSentBytes);
#endif
}

void TcpConnection::send(Bytes datagrams, size_t segmentBytes, PlaneStats& stats) {
  // Most of it is written at once: connections keep memory only while they are blocked.
  static thread_local std::vector<uint8_t> framed;
  framed.clear();
  for (Bytes rest = datagrams; !rest.empty();) {
    const Bytes packet = rest.first(std::min(segmentBytes, rest.size()));
    std::array<uint8_t, StreamDeframer::kHeaderBytes> header;
    writeU16(header.data(), static_cast<uint16_t>(packet.size()));
    framed.insert(framed.end(), header.begin(), header.end());
    framed.insert(framed.end(), packet.begin(), packet.end());
    rest = rest.subspan(packet.size());
  }
  sendFramed(framed, (datagrams.size() + segmentBytes - 1) / segmentBytes, datagrams.size(), stats);
}

bool TcpConnection::sendFramed(Bytes framed, size_t packets, size_t payloadBytes, PlaneStats& stats) {
  const std::lock_guard lock(mutex_);
  if (fd_ < 0 || !fits(framed.size())) {
    stats.sendErrors += packets;
    return false;
  }
  stats.packetsSent += packets;
  stats.bytesSent += payloadBytes;
  size_t written = 0;
  if (!isBlocked_) {
    stats.sendCalls += 1;
    written = write(framed);
  }
  if (written < framed.size()) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(written_));
    written_ = 0;
    waiting_.insert(waiting_.end(), framed.begin() + static_cast<std::ptrdiff_t>(written), framed.end());
    setBlocked(true);
  }
  return true;
}

bool TcpConnection::hasRoom(size_t bytes) const {
  const std::lock_guard lock(mutex_);
  return fits(bytes);
}

void TcpConnection::flush() {
  const std::lock_guard lock(mutex_);
  written_ += write(Bytes(waiting_).subspan(written_));
  if (written_ == waiting_.size()) {
    forgetWaiting();
    setBlocked(false);
  }
}

size_t TcpConnection::write(Bytes bytes) {
  size_t written = 0;
  while (fd_ >= 0 && written < bytes.size()) {
    const ssize_t sent = ::send(fd_, &bytes[written], bytes.size() - written, kSendFlags);
    if (sent < 0 && wouldBlock(errno)) {
      return written;
    }
    if (sent < 0) {
      // The connection is broken, which the receiving thread is told too.
      break;
    }
    written += static_cast<size_t>(sent);
  }
  return bytes.size();
}

void TcpConnection::forgetWaiting() {
  waiting_ = {};
  written_ = 0;
}

void TcpConnection::setBlocked([[maybe_unused]] bool isBlocked) {
#ifdef __linux__
  if (isBlocked != isBlocked_ && fd_ >= 0) {
    epoll_event interest{};
    interest.events = EPOLLIN | (isBlocked ? EPOLLOUT : 0U);
    interest.data.u64 = id_;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &interest);
  }
#endif
  isBlocked_ = isBlocked;
}

TcpConnection::Read TcpConnection::read(MutableBytes buffer, size_t& bytes) {
  bytes = 0;
  // Only the receiving thread closes the descriptor.
  const ssize_t received = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (received > 0) {
    bytes = static_cast<size_t>(received);
    return Read::kBytes;
  }
  return received < 0 && wouldBlock(errno) ? Read::kNothing : Read::kEnded;
}

void TcpConnection::shutDown() {
  const std::lock_guard lock(mutex_);
  if (fd_ >= 0) {
    ::shutdown(fd_, SHUT_RDWR);
  }
}

void TcpConnection::close() {
  const std::lock_guard lock(mutex_);
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
  forgetWaiting();
  isBlocked_ = false;
}

}  // namespace streamkit
