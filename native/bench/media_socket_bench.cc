// A frame's way from a session process to the plane's thread, over a stream socket and over shared memory:
// latency from before the write until the frame is whole, and CPU time of both sides per frame.
//
//   make media-socket-bench && out/plain/media_socket_bench
//
// The ring is the simplest that is safe: the reader copies each frame out, since the writer could change it
// after the checks. Both transports therefore copy a frame twice.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/media_frame_reader.h"
#include "io/media_socket.h"
#include "test/media_frame_builder.h"

namespace {

using namespace streamkit;

constexpr int kFrames = 2000;
constexpr int64_t kIntervalNs = 2'000'000;
constexpr size_t kPayloadBytes = 1144;
constexpr size_t kRingBytes = 8 * 1024 * 1024;
constexpr size_t kCaptureTimeAt = 16;

int64_t nowNs() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

double cpuUs(int who) {
  rusage usage;
  getrusage(who, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

std::vector<uint8_t> frameOf(size_t bytes) {
  std::vector<uint32_t> lengths(bytes / kPayloadBytes, kPayloadBytes);
  lengths.push_back(static_cast<uint32_t>(bytes % kPayloadBytes + 1));
  return test::mediaFrame(0, true, std::move(lengths));
}

/** Frames at a steady pace, each stamped with the time before it is written. */
template <typename Write>
[[noreturn]] void writeFrames(std::vector<uint8_t> frame, Write&& write) {
  int64_t nextNs = nowNs();
  for (int i = 0; i < kFrames; i += 1) {
    nextNs += kIntervalNs;
    const timespec until{nextNs / 1'000'000'000, nextNs % 1'000'000'000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    const int64_t stamp = nowNs();
    std::memcpy(frame.data() + kCaptureTimeAt, &stamp, sizeof stamp);
    write(frame);
  }
  _exit(0);
}

void sleepUntilReadable(int fd) {
  pollfd polled{fd, POLLIN, 0};
  ppoll(&polled, 1, nullptr, nullptr);
}

std::vector<int64_t> overSocket(const std::vector<uint8_t>& frame) {
  const auto pair = MediaSocket::open();
  if (fork() == 0) {
    writeFrames(frame, [&](std::vector<uint8_t>& bytes) {
      // As libuv writes what was corked: head and payloads in one call.
      iovec parts[2] = {
          {bytes.data(), MediaFrameReader::kHeaderBytes},
          {bytes.data() + MediaFrameReader::kHeaderBytes, bytes.size() - MediaFrameReader::kHeaderBytes}};
      if (writev(pair.theirs, parts, 2) != static_cast<ssize_t>(bytes.size())) {
        _exit(1);
      }
    });
  }
  close(pair.theirs);
  std::vector<int64_t> latenciesNs;
  MediaFrameReader reader;
  for (;;) {
    sleepUntilReadable(pair.ours);
    for (;;) {
      const MutableBytes space = reader.space();
      const ssize_t got = recv(pair.ours, space.data(), space.size(), 0);
      if (got == 0) {
        close(pair.ours);
        return latenciesNs;
      }
      if (got < 0) {
        break;
      }
      if (reader.advance(static_cast<size_t>(got)) == MediaFrameReader::Result::kFrame) {
        latenciesNs.push_back(nowNs() - reader.take().captureTimeUs);
      }
      if (static_cast<size_t>(got) < space.size()) {
        break;
      }
    }
  }
}

struct Ring {
  std::atomic<uint64_t> written;
  std::atomic<uint64_t> read;
  uint8_t bytes[kRingBytes];
};

void copyIn(Ring& ring, uint64_t at, Bytes bytes) {
  const size_t first = std::min<size_t>(bytes.size(), kRingBytes - at % kRingBytes);
  std::memcpy(ring.bytes + at % kRingBytes, bytes.data(), first);
  std::memcpy(ring.bytes, bytes.data() + first, bytes.size() - first);
}

void copyOut(const Ring& ring, uint64_t at, MutableBytes bytes) {
  const size_t first = std::min<size_t>(bytes.size(), kRingBytes - at % kRingBytes);
  std::memcpy(bytes.data(), ring.bytes + at % kRingBytes, first);
  std::memcpy(bytes.data() + first, ring.bytes, bytes.size() - first);
}

std::vector<int64_t> overSharedMemory(const std::vector<uint8_t>& frame) {
  const int memory = memfd_create("ring", MFD_CLOEXEC);
  const int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (ftruncate(memory, sizeof(Ring)) != 0) {
    std::exit(1);
  }
  void* const mapped =
      mmap(nullptr, sizeof(Ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory, 0);
  Ring& ring = *static_cast<Ring*>(mapped);
  const pid_t writer = fork();
  if (writer == 0) {
    writeFrames(frame, [&](std::vector<uint8_t>& bytes) {
      const uint64_t at = ring.written.load(std::memory_order_relaxed);
      if (at + bytes.size() - ring.read.load(std::memory_order_acquire) > kRingBytes) {
        _exit(1);
      }
      copyIn(ring, at, bytes);
      ring.written.store(at + bytes.size(), std::memory_order_release);
      const uint64_t one = 1;
      [[maybe_unused]] const ssize_t woken = write(wake, &one, sizeof one);
    });
  }
  std::vector<int64_t> latenciesNs;
  MediaFrameReader reader;
  uint64_t at = 0;
  while (latenciesNs.size() < kFrames) {
    sleepUntilReadable(wake);
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t drained = read(wake, &count, sizeof count);
    while (at < ring.written.load(std::memory_order_acquire)) {
      const uint64_t available = ring.written.load(std::memory_order_acquire) - at;
      const MutableBytes space = reader.space();
      const size_t bytes = std::min<size_t>(space.size(), available);
      copyOut(ring, at, space.first(bytes));
      at += bytes;
      ring.read.store(at, std::memory_order_release);
      if (reader.advance(bytes) == MediaFrameReader::Result::kFrame) {
        latenciesNs.push_back(nowNs() - reader.take().captureTimeUs);
      }
    }
  }
  munmap(mapped, sizeof(Ring));
  close(memory);
  close(wake);
  return latenciesNs;
}

template <typename Transport>
void measure(const char* name, size_t bytes, Transport&& transport) {
  const auto frame = frameOf(bytes);
  const double readerBeforeUs = cpuUs(RUSAGE_SELF);
  const double writerBeforeUs = cpuUs(RUSAGE_CHILDREN);
  auto latenciesNs = transport(frame);
  wait(nullptr);
  const double readerUs = (cpuUs(RUSAGE_SELF) - readerBeforeUs) / kFrames;
  const double writerUs = (cpuUs(RUSAGE_CHILDREN) - writerBeforeUs) / kFrames;
  if (latenciesNs.size() != kFrames) {
    std::printf("%s: %zu of %d frames\n", name, latenciesNs.size(), kFrames);
    return;
  }
  std::sort(latenciesNs.begin(), latenciesNs.end());
  const auto quantile = [&](double q) {
    return static_cast<double>(latenciesNs[static_cast<size_t>(q * (kFrames - 1))]) / 1000;
  };
  std::printf(
      "%-14s %4zu kB   p50 %6.1f   p95 %6.1f   p99 %6.1f µs   CPU per frame: writer %5.1f, reader %5.1f µs\n",
      name, bytes / 1000, quantile(0.5), quantile(0.95), quantile(0.99), writerUs, readerUs);
}

}  // namespace

int main() {
  for (int round = 0; round < 3; round += 1) {
    for (const size_t bytes : {16'000, 200'000}) {
      measure("stream socket", bytes, overSocket);
      measure("shared memory", bytes, overSharedMemory);
    }
  }
  return 0;
}
