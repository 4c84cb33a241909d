#include "viewer_socket.h"

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <system_error>

#include "clock.h"
#include "merged_datagrams.h"

namespace bench {

namespace {
constexpr size_t kMaxDatagramBytes = 2048;
constexpr size_t kMaxMergedBytes = 65'536;
constexpr size_t kPlainBatch = 128;
constexpr size_t kMergedBatch = 32;

/** When the kernel had it, on CLOCK_REALTIME, µs; 0 where it does not say. */
int64_t stampOf(msghdr& message) {
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_TIMESTAMPNS) {
      timespec time{};
      std::memcpy(&time, CMSG_DATA(each), sizeof time);
      return static_cast<int64_t>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1000;
    }
  }
  return 0;
}
}  // namespace

ReceiveBatch::ReceiveBatch(bool gro) : bufferBytes_(gro ? kMaxMergedBytes : kMaxDatagramBytes) {
  const size_t count = gro ? kMergedBatch : kPlainBatch;
  bytes_.resize(count * bufferBytes_);
  control_.resize(count * kControlBytes);
  from_.resize(count);
  vectors_.resize(count);
  messages_.resize(count);
  arrivals_.resize(count);
  for (size_t i = 0; i < count; i++) {
    vectors_[i] = {&bytes_[i * bufferBytes_], bufferBytes_};
    msghdr& header = messages_[i].msg_hdr;
    header.msg_name = &from_[i];
    header.msg_iov = &vectors_[i];
    header.msg_iovlen = 1;
    header.msg_control = &control_[i * kControlBytes];
    prepare(header);
  }
}

void ReceiveBatch::prepare(msghdr& header) {
  header.msg_namelen = sizeof(sockaddr_in);
  header.msg_controllen = kControlBytes;
}

size_t ReceiveBatch::receive(int descriptor) {
  const int count = recvmmsg(descriptor, messages_.data(), static_cast<unsigned int>(messages_.size()),
                             MSG_DONTWAIT, nullptr);
  if (count <= 0)
    return 0;
  const int64_t readUs = nowUs();
  const int64_t realUs = realTimeUs();
  for (size_t i = 0; i < static_cast<size_t>(count); i++) {
    const int64_t stampUs = stampOf(messages_[i].msg_hdr);
    const int64_t waitedUs = stampUs == 0 ? 0 : std::max<int64_t>(0, realUs - stampUs);
    const size_t size = messages_[i].msg_len;
    const size_t segmentBytes = segmentBytesOf(messages_[i].msg_hdr, size);
    arrivals_[i] = {&bytes_[i * bufferBytes_], size, segmentBytes, from_[i], readUs - waitedUs};
    prepare(messages_[i].msg_hdr);
  }
  return static_cast<size_t>(count);
}

ViewerSocket::ViewerSocket(in_addr localAddress, bool gro, int receiveBufferBytes)
    : descriptor_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  if (descriptor_ < 0)
    throw std::system_error(errno, std::generic_category(), "socket");
  // Beyond net.core.rmem_max where the process may, else up to it.
  if (setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUFFORCE, &receiveBufferBytes, sizeof receiveBufferBytes) !=
      0) {
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receiveBufferBytes, sizeof receiveBufferBytes);
  }
  if (gro)
    mergeDatagrams(descriptor_);
  const int on = 1;
  setsockopt(descriptor_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr = localAddress;
  socklen_t length = sizeof address;
  if (bind(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    const int reason = errno;
    close(descriptor_);
    throw std::system_error(reason, std::generic_category(), "bind");
  }
  port_ = ntohs(address.sin_port);
}

ViewerSocket::~ViewerSocket() {
  close(descriptor_);
}

void ViewerSocket::send(const uint8_t* data, size_t size, const sockaddr_in& to) const {
  // A datagram that cannot be sent is as good as lost: the protocols above repeat it.
  [[maybe_unused]] const auto sent =
      sendto(descriptor_, data, size, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

uint32_t ViewerSocket::overflowed() const {
  uint32_t values[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof values;
  getsockopt(descriptor_, SOL_SOCKET, SO_MEMINFO, values, &length);
  return values[SK_MEMINFO_DROPS];
}

}  // namespace bench
