#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

/** A datagram, or with UDP_GRO several of one sender: each of `segmentBytes` but the last, which may be
 * shorter. */
struct Arrival {
  uint8_t* data;
  size_t size;
  size_t segmentBytes;
  sockaddr_in from;
  /** When the kernel had it, CLOCK_MONOTONIC µs: later reading says nothing of the way. */
  int64_t arrivedUs;
};

/** Buffers for one recvmmsg, shared by all sockets of a thread. */
class ReceiveBatch {
 public:
  explicit ReceiveBatch(bool gro);
  /** Reads what waits on a socket, without blocking. @return how many arrivals, 0 where nothing waits. */
  size_t receive(int descriptor);
  const Arrival& operator[](size_t i) const { return arrivals_[i]; }
  size_t capacity() const { return arrivals_.size(); }

 private:
  static constexpr size_t kControlBytes = 64;
  /** Sets the fields that recvmmsg overwrites in each message that it reads. */
  static void prepare(msghdr& header);
  size_t bufferBytes_;
  std::vector<uint8_t> bytes_;
  std::vector<uint8_t> control_;
  std::vector<sockaddr_in> from_;
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> messages_;
  std::vector<Arrival> arrivals_;
};

/** A UDP socket on a port of the kernel's choice. */
class ViewerSocket {
 public:
  /** @throws std::system_error */
  ViewerSocket(in_addr address, bool gro, int receiveBufferBytes);
  ~ViewerSocket();
  ViewerSocket(const ViewerSocket&) = delete;
  ViewerSocket& operator=(const ViewerSocket&) = delete;

  int descriptor() const { return descriptor_; }
  uint16_t port() const { return port_; }
  void send(const uint8_t* data, size_t size, const sockaddr_in& to) const;
  /** Datagrams that the kernel dropped because nobody read them in time. */
  uint32_t overflowed() const;

 private:
  int descriptor_;
  uint16_t port_ = 0;
};

}  // namespace bench
