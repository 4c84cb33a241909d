#include "udp_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#ifdef __linux__
#include <netinet/udp.h>
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#endif

namespace streamkit {
namespace {

void sizeBuffer(int fd, int bytes, int option, [[maybe_unused]] int forcedOption) {
#ifdef __linux__
  // Beyond the limit of the system, where we may.
  if (setsockopt(fd, SOL_SOCKET, forcedOption, &bytes, sizeof bytes) == 0) {
    return;
  }
#endif
  setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes);
}

bool kernelSegments([[maybe_unused]] int fd) {
#ifdef __linux__
  const int none = 0;
  return setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof none) == 0;
#else
  return false;
#endif
}

bool wouldBlock(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

}  // namespace

UdpSocket::Opened UdpSocket::open(const SocketAddress& address, size_t bufferBytes) {
  const int fd = socket(address.isIpv6() ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) {
    return {nullptr, errno};
  }
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  if (address.isIpv6()) {
    const int only = 1;
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  }
  sockaddr_storage storage{};
  socklen_t length = address.toKernel(storage);
  if (bind(fd, reinterpret_cast<sockaddr*>(&storage), length) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    const int error = errno;
    close(fd);
    return {nullptr, error};
  }
  const int kernelBytes = static_cast<int>(bufferBytes);
#ifdef __linux__
  sizeBuffer(fd, kernelBytes, SO_RCVBUF, SO_RCVBUFFORCE);
  sizeBuffer(fd, kernelBytes, SO_SNDBUF, SO_SNDBUFFORCE);
#else
  sizeBuffer(fd, kernelBytes, SO_RCVBUF, 0);
  sizeBuffer(fd, kernelBytes, SO_SNDBUF, 0);
#endif
  const SocketAddress local = SocketAddress::fromKernel(storage).value_or(address);
  return {std::unique_ptr<UdpSocket>(new UdpSocket(fd, local, bufferBytes)), 0};
}

UdpSocket::UdpSocket(int fd, const SocketAddress& local, size_t maxBacklogBytes)
    : fd_(fd), local_(local), maxBacklogBytes_(maxBacklogBytes), segments_(kernelSegments(fd)) {}

UdpSocket::Opened UdpSocket::share() const {
  const int fd = fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) {
    return {nullptr, errno};
  }
  auto shared = std::unique_ptr<UdpSocket>(new UdpSocket(fd, local_, maxBacklogBytes_));
  shared->segments_ = segments_;
  return {std::move(shared), 0};
}

UdpSocket::~UdpSocket() {
  close(fd_);
}

void UdpSocket::send(const SocketAddress& to, Bytes datagrams, size_t segmentBytes, PlaneStats& stats) {
  const size_t done = blocked() ? 0 : trySend(to, datagrams, segmentBytes, stats);
  const Bytes rest = datagrams.subspan(done);
  if (rest.empty()) {
    return;
  }
  if (backlogBytes_ + rest.size() > maxBacklogBytes_) {
    stats.sendErrors += (rest.size() + segmentBytes - 1) / segmentBytes;
    return;
  }
  backlog_.push_back({to, std::vector<uint8_t>(rest.begin(), rest.end()), segmentBytes});
  backlogBytes_ += rest.size();
}

void UdpSocket::flush(PlaneStats& stats) {
  while (!backlog_.empty()) {
    Waiting& first = backlog_.front();
    const size_t done = trySend(first.to, first.datagrams, first.segmentBytes, stats);
    backlogBytes_ -= done;
    if (done < first.datagrams.size()) {
      first.datagrams.erase(first.datagrams.begin(),
                            first.datagrams.begin() + static_cast<std::ptrdiff_t>(done));
      return;
    }
    backlog_.pop_front();
  }
}

size_t UdpSocket::trySend(const SocketAddress& to, Bytes datagrams, size_t segmentBytes, PlaneStats& stats) {
  if (datagrams.size() <= segmentBytes) {
    return sendOne(to, datagrams, stats);
  }
  if (!segments_ || unsegmented_.contains(to)) {
    return sendEach(to, datagrams, segmentBytes, stats);
  }
  int error = 0;
  const size_t sent = sendSegmented(to, datagrams, segmentBytes, error);
  stats.sendCalls += 1;
  if (sent > 0) {
    stats.packetsSent += (datagrams.size() + segmentBytes - 1) / segmentBytes;
    stats.bytesSent += datagrams.size();
    return datagrams.size();
  }
  if (wouldBlock(error)) {
    return 0;
  }
  // One by one it may go. Whether the kernel knows UDP_SEGMENT was found out when the socket was opened; what
  // can still be found is a way out whose device computes no checksums, or that is encrypted by IPsec (EIO),
  // and the socket is bound to one address, so that all it sends goes that way. Any other error is this
  // send's own: EINVAL and EMSGSIZE say that a segment does not fit the path to this one viewer.
  const uint64_t before = stats.packetsSent;
  const size_t done = sendEach(to, datagrams, segmentBytes, stats);
  if ((error == EIO || error == EOPNOTSUPP) && stats.packetsSent > before) {
    segments_ = false;
  } else if (error == EINVAL || error == EMSGSIZE) {
    if (unsegmented_.size() >= kMaxUnsegmented) {
      unsegmented_.clear();
    }
    unsegmented_.insert(to);
  }
  return done;
}

size_t UdpSocket::sendSegmented([[maybe_unused]] const SocketAddress& to, [[maybe_unused]] Bytes datagrams,
                                [[maybe_unused]] size_t segmentBytes, int& error) {
#ifdef __linux__
  sockaddr_storage storage;
  iovec vector{const_cast<uint8_t*>(datagrams.data()), datagrams.size()};
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(uint16_t))> control{};
  msghdr message{};
  message.msg_name = &storage;
  message.msg_namelen = to.toKernel(storage);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = IPPROTO_UDP;
  header->cmsg_type = UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
  const uint16_t size = static_cast<uint16_t>(segmentBytes);
  std::memcpy(CMSG_DATA(header), &size, sizeof size);
  const ssize_t sent = sendmsg(fd_, &message, MSG_DONTWAIT);
  error = sent < 0 ? errno : 0;
  return sent < 0 ? 0 : static_cast<size_t>(sent);
#else
  error = EOPNOTSUPP;
  return 0;
#endif
}

size_t UdpSocket::sendOne(const SocketAddress& to, Bytes datagram, PlaneStats& stats) {
  sockaddr_storage storage;
  const socklen_t length = to.toKernel(storage);
  stats.sendCalls += 1;
  if (sendto(fd_, datagram.data(), datagram.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&storage),
             length) >= 0) {
    stats.packetsSent += 1;
    stats.bytesSent += datagram.size();
  } else if (wouldBlock(errno)) {
    return 0;
  } else {
    stats.sendErrors += 1;
  }
  return datagram.size();
}

size_t UdpSocket::sendEach(const SocketAddress& to, Bytes datagrams, size_t segmentBytes, PlaneStats& stats) {
  constexpr size_t kBatch = 64;
  sockaddr_storage storage;
  const socklen_t length = to.toKernel(storage);
  size_t done = 0;
  while (done < datagrams.size()) {
    std::array<iovec, kBatch> vectors;
    size_t count = 0;
    for (size_t at = done; at < datagrams.size() && count < kBatch; at += segmentBytes, count += 1) {
      vectors[count] = {const_cast<uint8_t*>(&datagrams[at]), std::min(segmentBytes, datagrams.size() - at)};
    }
    int sent = 0;
#ifdef __linux__
    std::array<mmsghdr, kBatch> messages{};
    for (size_t i = 0; i < count; i += 1) {
      messages[i].msg_hdr.msg_name = &storage;
      messages[i].msg_hdr.msg_namelen = length;
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    sent = sendmmsg(fd_, messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
#else
    sent = sendto(fd_, vectors[0].iov_base, vectors[0].iov_len, MSG_DONTWAIT,
                  reinterpret_cast<sockaddr*>(&storage), length) < 0
               ? -1
               : 1;
#endif
    stats.sendCalls += 1;
    if (sent < 0) {
      if (wouldBlock(errno)) {
        return done;
      }
      // What cannot be sent is passed over; the rest may still go.
      stats.sendErrors += 1;
      done += vectors[0].iov_len;
      continue;
    }
    for (int i = 0; i < sent; i += 1) {
      done += vectors[static_cast<size_t>(i)].iov_len;
      stats.bytesSent += vectors[static_cast<size_t>(i)].iov_len;
    }
    stats.packetsSent += static_cast<uint64_t>(sent);
  }
  return done;
}

size_t UdpSocket::receiveBatch() {
  // A share that only sends needs no buffers.
  received_.resize(kReceiveBatch);
  std::array<sockaddr_storage, kReceiveBatch> names;
  std::array<iovec, kReceiveBatch> vectors;
  size_t count = 0;
#ifdef __linux__
  std::array<mmsghdr, kReceiveBatch> messages{};
  for (size_t i = 0; i < kReceiveBatch; i += 1) {
    vectors[i] = {received_[i].bytes.data(), received_[i].bytes.size()};
    messages[i].msg_hdr.msg_name = &names[i];
    messages[i].msg_hdr.msg_namelen = sizeof names[i];
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int received = recvmmsg(fd_, messages.data(), kReceiveBatch, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < received; i += 1) {
    received_[static_cast<size_t>(i)].size = messages[static_cast<size_t>(i)].msg_len;
    count += 1;
  }
#else
  for (; count < kReceiveBatch; count += 1) {
    socklen_t length = sizeof names[count];
    const ssize_t size = recvfrom(fd_, received_[count].bytes.data(), kMaxDatagramBytes, MSG_DONTWAIT,
                                  reinterpret_cast<sockaddr*>(&names[count]), &length);
    if (size < 0) {
      break;
    }
    received_[count].size = static_cast<size_t>(size);
  }
#endif
  for (size_t i = 0; i < count; i += 1) {
    // Port 0 is nobody's, and an address that is none cannot be answered: both are dropped as empty
    // datagrams.
    received_[i].from = SocketAddress::fromKernel(names[i]).value_or(SocketAddress());
    if (received_[i].from.port() == 0) {
      received_[i].size = 0;
    }
  }
  return count;
}

}  // namespace streamkit
