#pragma once

#ifdef __linux__

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "io/relay_sockets.h"
#include "io/send_sockets.h"
#include "stun_message_builder.h"
#include "tcp_peer.h"
#include "tls_peer.h"
#include "turn_message.h"
#include "udp_peer.h"
#include "virtual_network.h"

namespace streamkit::test {

inline constexpr int kPatienceMs = 30'000;
inline constexpr uint16_t kChannel = 0x4000;

struct Answers final : RelaySockets::Listener {
  void onRelayAnswer(uint32_t endpoint, int, Bytes message) override {
    endpoints.push_back(endpoint);
    messages.emplace_back(message.begin(), message.end());
  }
  void onRelayEnded(uint32_t, int socket, const std::string& reason) override {
    ended.push_back(socket);
    reasons.push_back(reason);
  }
  std::vector<uint32_t> endpoints;
  std::vector<std::vector<uint8_t>> messages;
  std::vector<int> ended;
  std::vector<std::string> reasons;
};

/** A TURN server on TCP, on the loopback address, for one connection. */
class TcpServer {
 public:
  /** @param tls by which it is spoken to; null: by TCP alone */
  explicit TcpServer(TlsPeer* tls = nullptr) : listener_(socket(AF_INET, SOCK_STREAM, 0)), tls_(tls) {
    sockaddr_storage storage{};
    socklen_t length = SocketAddress::fromText("127.0.0.1", 0)->toKernel(storage);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&storage), length);
    ::listen(listener_, 1);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&storage), &length);
    local_ = *SocketAddress::fromKernel(storage);
  }
  ~TcpServer() {
    stop();
    end();
  }
  const SocketAddress& local() const { return local_; }
  void stop() {
    if (listener_ >= 0) {
      ::close(listener_);
      listener_ = -1;
    }
  }
  /** Somebody has connected, who is not accepted yet. */
  bool isAsked() const {
    pollfd fd{listener_, POLLIN, 0};
    return poll(&fd, 1, 0) > 0;
  }
  /** There is something to receive. */
  bool isSent() const {
    pollfd fd{fd_, POLLIN, 0};
    return poll(&fd, 1, 0) > 0;
  }
  void accept() { fd_ = ::accept(listener_, nullptr, nullptr); }
  void end() {
    if (fd_ >= 0) {
      ::close(fd_);
      fd_ = -1;
    }
  }
  void send(Bytes bytes) {
    if (tls_ == nullptr) {
      sendRaw(bytes);
    } else {
      tls_->send(bytes);
      sendRaw(tls_->takeRecords());
    }
  }
  /** In pieces. */
  void sendRaw(Bytes bytes) {
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (size_t at = 0; at < bytes.size(); at += pieceBytes) {
      const Bytes piece = bytes.subspan(at, std::min(pieceBytes, bytes.size() - at));
      EXPECT_EQ(::send(fd_, piece.data(), piece.size(), MSG_NOSIGNAL), static_cast<ssize_t>(piece.size()));
    }
  }
  /** Messages that are there. */
  std::vector<std::vector<uint8_t>> receive() {
    std::vector<std::vector<uint8_t>> messages;
    std::vector<uint8_t> buffer(64 * 1024);
    while (true) {
      const ssize_t bytes = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (bytes <= 0) {
        return messages;
      }
      MutableBytes received = MutableBytes(buffer).first(static_cast<size_t>(bytes));
      std::vector<uint8_t> data;
      if (tls_ != nullptr) {
        tls_->receive(received);
        sendRaw(tls_->takeRecords());
        data = tls_->takeData();
        received = data;
      }
      EXPECT(deframer_.read(received, [&](MutableBytes message) {
        messages.emplace_back(message.begin(), message.end());
        return true;
      }));
    }
  }

  size_t pieceBytes = 3;

 private:
  int listener_;
  TlsPeer* tls_;
  int fd_ = -1;
  SocketAddress local_;
  TurnDeframer deframer_;
};

/** A core with a socket to a TURN server, which the test plays: real datagrams, virtual time. */
class RelayBench {
 public:
  RelayBench()
      : tcp(stats),
        relays(answers, true, stats),
        sockets(tcp, relays, stats),
        core({0, 7}, sockets, events, stats),
        opened(relays.open(1, *SocketAddress::fromText("127.0.0.1", 0), server.local())),
        relayed(opened.local) {
    EXPECT_EQ(opened.error, 0);
    core.createEndpoint(1, "u1", "ours");
    core.setRemoteCredentials(1, "theirs", "their-password");
  }

  /** Lets the sockets work until it is so, or patience ends. */
  template <typename Condition>
  bool await(Condition&& condition) {
    for (int waited = 0; waited < kPatienceMs; waited += 10) {
      relays.run(core, nowUs);
      if (condition()) {
        return true;
      }
      pollfd fd{relays.pollFd(), POLLIN, 0};
      poll(&fd, 1, 10);
    }
    return false;
  }
  /** The server sends it, and it has come in: nothing of it is to have any effect but the count. */
  void sendInVain(UdpPeer& from, Bytes bytes) {
    const uint64_t before = stats.received;
    const size_t packets = events.packets.size();
    from.send(bytes, relayed);
    EXPECT(await([&] { return stats.received > before; }));
    EXPECT_EQ(events.packets.size(), packets);
  }
  /** What the server is sent next. */
  std::vector<uint8_t> receive() {
    std::vector<std::vector<uint8_t>> datagrams;
    EXPECT(await([&] {
      if (received_.empty()) {
        received_ = server.receive();
      }
      return !received_.empty();
    }));
    std::vector<uint8_t> first;
    if (!received_.empty()) {
      first = received_.front();
      received_.erase(received_.begin());
    }
    return first;
  }
  void nominate() {
    relays.bind(opened.socket, kChannel, peer);
    server.send(channelData(kChannel, viewerCheck("u1", "ours")), relayed);
    EXPECT(await([&] { return events.packets.size() == 1; }));
    const StunTransactionId id{1, 2, 3};
    const auto request = nominatingRequest(id, "theirs:u1", "their-password");
    core.sendPacket(1, opened.socket, peer, request, nowUs);
    EXPECT(receive() == channelData(kChannel, request));
    server.send(channelData(kChannel, authenticResponse(id, "their-password")), relayed);
    EXPECT(await([&] { return events.packets.size() == 2; }));
  }

  PlaneStats stats;
  Answers answers;
  UdpPeer server;
  UdpPeer stranger;
  TcpSockets tcp;
  RelaySockets relays;
  SendSockets sockets;
  EventLog events;
  MediaCore core;
  RelaySockets::Opened opened;
  /** Where the server sends to. */
  SocketAddress relayed;
  SocketAddress peer = *SocketAddress::fromText("192.0.2.7", 5000);
  int64_t nowUs = 1'000'000;

 private:
  std::vector<std::vector<uint8_t>> received_;
};

}  // namespace streamkit::test

#endif
