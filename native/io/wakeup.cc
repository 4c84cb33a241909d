#include "wakeup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

namespace streamkit {

Wakeup::Wakeup() {
#ifdef __linux__
  readFd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  writeFd_ = readFd_;
#else
  int fds[2];
  if (pipe(fds) == 0) {
    readFd_ = fds[0];
    writeFd_ = fds[1];
    for (const int fd : fds) {
      fcntl(fd, F_SETFL, O_NONBLOCK);
      fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  }
#endif
}

Wakeup::~Wakeup() {
  if (readFd_ >= 0) {
    close(readFd_);
  }
  if (writeFd_ >= 0 && writeFd_ != readFd_) {
    close(writeFd_);
  }
}

void Wakeup::notify() {
  const uint64_t one = 1;
  // Where it cannot be written, it is full of wakes that were not seen yet: one is enough.
  [[maybe_unused]] const ssize_t written = write(writeFd_, &one, sizeof one);
}

void Wakeup::drain() {
  uint64_t buffer[64];
  while (read(readFd_, buffer, sizeof buffer) > 0) {
  }
}

}  // namespace streamkit
