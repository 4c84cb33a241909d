#pragma once

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

#include "core/media_core.h"
#include "io/udp_socket.h"
#include "test/stun_message_builder.h"

// What the benches of the core on loopback share: real sockets, and viewers that have joined.
namespace streamkit::loopback {

inline std::unique_ptr<UdpSocket> openSocket() {
  auto opened = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0));
  if (opened.socket == nullptr) {
    std::fprintf(stderr, "Expected a free UDP port but received errno %d\n", opened.error);
    std::exit(1);
  }
  return std::move(opened.socket);
}

/** Each viewer has a descriptor. */
inline void allowManySockets() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

struct Sender final : DatagramSender {
  explicit Sender(std::unique_ptr<UdpSocket> given) : socket(std::move(given)) {}
  void send(int, const SocketAddress& to, Bytes datagrams, size_t segmentBytes) override {
    socket->send(to, datagrams, segmentBytes, stats);
  }
  bool blocked(int, const SocketAddress&) const override { return socket->blocked(); }

  std::unique_ptr<UdpSocket> socket;
  PlaneStats stats;
};

/** ICE of a viewer at that address, and a transport with keys of zeros under `endpoint + 1`. */
inline void join(MediaCore& core, uint32_t endpoint, const SocketAddress& address, int64_t nowUs) {
  const std::string ufrag = "u" + std::to_string(endpoint);
  StunTransactionId id{};
  writeU32(id.data(), endpoint);
  core.createEndpoint(endpoint, ufrag, "ours");
  core.setRemoteCredentials(endpoint, "theirs", "password");
  core.sendPacket(endpoint, 0, address, test::nominatingRequest(id, "theirs:" + ufrag, "password"), nowUs);
  auto answer = test::authenticResponse(id, "password");
  core.receive(0, address, answer, nowUs);
  core.createTransport(endpoint + 1, endpoint, *SrtpSession::create({SrtpProfile::kAeadAes128Gcm, {}, {}}),
                       std::make_shared<TransportStats>());
}

}  // namespace streamkit::loopback
