#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/socket_address.h"
#include "core/stream_deframer.h"
#include "stun_message_builder.h"

namespace streamkit::test {

/** A viewer's end of a TCP connection. */
class TcpPeer {
 public:
  /**
   * @param receiveBufferBytes 0: the system chooses it
   * @param from the system chooses it where there is none
   */
  explicit TcpPeer(uint16_t port, int receiveBufferBytes = 0,
                   const std::optional<SocketAddress>& from = std::nullopt)
      : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_storage storage{};
    if (from.has_value()) {
      const int reuse = 1;
      setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
      const socklen_t bytes = from->toKernel(storage);
      ::bind(fd_, reinterpret_cast<sockaddr*>(&storage), bytes);
    }
    if (receiveBufferBytes > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receiveBufferBytes, sizeof receiveBufferBytes);
    }
    socklen_t length = SocketAddress::fromText("127.0.0.1", port)->toKernel(storage);
    isConnected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&storage), length) == 0;
    length = sizeof storage;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &length);
    local_ = *SocketAddress::fromKernel(storage);
  }
  ~TcpPeer() { close(); }
  TcpPeer(const TcpPeer&) = delete;
  TcpPeer& operator=(const TcpPeer&) = delete;

  bool isConnected() const { return isConnected_; }
  const SocketAddress& local() const { return local_; }
  void close() {
    if (fd_ >= 0) {
      ::close(fd_);
      fd_ = -1;
    }
  }

  /** Ends the connection at once, so that its port can be used again. */
  void reset() {
    const linger none{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close();
  }

  static std::vector<uint8_t> framed(Bytes packet) {
    std::vector<uint8_t> bytes(2);
    writeU16(bytes.data(), static_cast<uint16_t>(packet.size()));
    bytes.insert(bytes.end(), packet.begin(), packet.end());
    return bytes;
  }
  void sendBytes(Bytes bytes) { isConnected_ = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0; }
  void send(Bytes packet) { sendBytes(framed(packet)); }

  /** Packets that are there. */
  std::vector<std::vector<uint8_t>> receive() {
    std::vector<std::vector<uint8_t>> packets;
    std::vector<uint8_t> buffer(64 * 1024);
    while (!isEnded_) {
      const ssize_t bytes = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (bytes <= 0) {
        isEnded_ = bytes == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
        break;
      }
      isIntact_ = isIntact_ && deframer_.read(MutableBytes(buffer).first(static_cast<size_t>(bytes)),
                                              [&](MutableBytes packet) {
                                                packets.emplace_back(packet.begin(), packet.end());
                                                return true;
                                              });
    }
    return packets;
  }
  /** The server has closed the connection, as far as `receive` has noticed. */
  bool isEnded() const { return isEnded_; }
  /** All that came was packets behind their lengths. */
  bool isIntact() const { return isIntact_; }

 private:
  int fd_;
  SocketAddress local_;
  bool isConnected_ = false;
  bool isEnded_ = false;
  bool isIntact_ = true;
  StreamDeframer deframer_{0xffff};
};

/** A check of a viewer's. */
inline std::vector<uint8_t> viewerCheck(std::string_view ufrag, std::string_view password,
                                        uint32_t number = 1) {
  StunTransactionId id{};
  writeU32(id.data(), 0x5000'0000 + number);
  return StunMessageBuilder(StunClass::kRequest, id)
      .username(std::string(ufrag) + ":theirs")
      .iceControlled()
      .integrity(password)
      .fingerprint()
      .bytes();
}

}  // namespace streamkit::test
