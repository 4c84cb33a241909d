#include "media_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace streamkit {
namespace {

/** Some keyframes of a large picture, which then wait in the kernel and not in the session process. */
constexpr int kSendBufferBytes = 4 * 1024 * 1024;

bool prepare(int ours, int theirs) {
  for (const int fd : {ours, theirs}) {
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return false;
    }
#ifdef SO_NOSIGPIPE
    const int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
#endif
  }
  // What the system does not allow it lowers by itself.
  setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
#ifdef SO_SNDBUFFORCE
  setsockopt(theirs, SOL_SOCKET, SO_SNDBUFFORCE, &kSendBufferBytes, sizeof kSendBufferBytes);
#endif
  return fcntl(ours, F_SETFL, O_NONBLOCK) == 0;
}

}  // namespace

MediaSocket::Pair MediaSocket::open() {
  int fds[2];
#ifdef SOCK_CLOEXEC
  constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC;
#else
  constexpr int kType = SOCK_STREAM;
#endif
  if (socketpair(AF_UNIX, kType, 0, fds) != 0) {
    return {-1, -1, errno};
  }
  if (!prepare(fds[0], fds[1])) {
    const int error = errno;
    close(fds[0]);
    close(fds[1]);
    return {-1, -1, error};
  }
  return {fds[0], fds[1], 0};
}

MediaSocket::~MediaSocket() {
  close(fd_);
}

std::optional<MediaFault> MediaSocket::read(MediaCore& core, int64_t nowUs) {
  size_t left = kBytesPerTurn;
  while (left > 0) {
    const MutableBytes space = ingress_.space();
    const size_t wanted = std::min(space.size(), left);
    // No control messages: descriptors that were sent along are closed by the kernel.
    const ssize_t got = recv(fd_, space.data(), wanted, 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      readable_ = false;
      return std::nullopt;
    }
    if (got <= 0) {
      return MediaFault::kClosed;
    }
    const auto bytes = static_cast<size_t>(got);
    left -= bytes;
    if (const auto fault = ingress_.advance(bytes, core, nowUs)) {
      return fault;
    }
    if (bytes < wanted) {
      // Nothing is left; what comes now poll() will say.
      readable_ = false;
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace streamkit
