#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "core/bytes.h"
#include "core/socket_address.h"

namespace streamkit::test {

/** A UDP socket of somebody else, on the loopback address. */
class UdpPeer {
 public:
  UdpPeer() : fd_(socket(AF_INET, SOCK_DGRAM, 0)) {
    sockaddr_storage storage{};
    socklen_t length = SocketAddress::fromText("127.0.0.1", 0)->toKernel(storage);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&storage), length);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &length);
    local_ = *SocketAddress::fromKernel(storage);
  }
  ~UdpPeer() { close(fd_); }
  UdpPeer(const UdpPeer&) = delete;
  UdpPeer& operator=(const UdpPeer&) = delete;

  const SocketAddress& local() const { return local_; }

  void send(Bytes datagram, const SocketAddress& to) {
    sockaddr_storage storage{};
    const socklen_t length = to.toKernel(storage);
    sendto(fd_, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&storage), length);
  }

  /** Datagrams that are there. */
  std::vector<std::vector<uint8_t>> receive() {
    std::vector<std::vector<uint8_t>> datagrams;
    std::vector<uint8_t> buffer(4096);
    while (true) {
      const ssize_t bytes = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (bytes < 0) {
        return datagrams;
      }
      datagrams.emplace_back(buffer.begin(), buffer.begin() + bytes);
    }
  }

 private:
  int fd_;
  SocketAddress local_;
};

}  // namespace streamkit::test
