#pragma once

#include <sys/resource.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>

#include "core/media_core.h"
#include "io/udp_socket.h"
#include "test/stun_message_builder.h"

// What the benches of the core on loopback share: real sockets, viewers that have joined, CPU time.
namespace streamkit::loopback {

inline int64_t threadCpuNs() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

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

struct NoEvents final : MediaCoreListener {
  void onPacket(uint32_t, int, const SocketAddress&, Bytes) override {}
  void onKeyframeWanted(uint32_t) override {}
  void onSwitched(uint32_t, uint32_t) override {}
  void onConsentLost(uint32_t) override {}
  void onDtlsConnected(uint32_t) override {}
  void onDtlsData(uint32_t, Bytes) override {}
  void onDtlsEnded(uint32_t, DtlsFault) override {}
  void onEstimate(uint32_t, double) override {}
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
