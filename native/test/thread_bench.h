#pragma once

#include <poll.h>

#include <condition_variable>
#include <mutex>

#include "core/media_core.h"
#include "io/clock.h"
#include "io/event_queue.h"
#include "io/io_thread.h"
#include "payload_frame.h"
#include "stun_message_builder.h"
#include "test.h"

namespace streamkit::test {

constexpr int64_t kPatienceUs = 30'000'000;

/** Lets a test wait for the thread's events. */
class Waiter {
 public:
  void wake() {
    const std::lock_guard lock(mutex_);
    awake_ = true;
    condition_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    EXPECT(condition_.wait_for(lock, std::chrono::microseconds(kPatienceUs), [this] { return awake_; }));
    awake_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool awake_ = false;
};

inline MediaCore::Options options() {
  return {wallUs() - monotonicUs(), 7};
}

inline SrtpParameters srtpParameters(uint8_t fill) {
  SrtpParameters srtp;
  srtp.local.key.fill(fill);
  srtp.remote.key.fill(static_cast<uint8_t>(fill + 1));
  return srtp;
}

inline EncodedFrame frameOf(uint32_t payloads, bool keyframe) {
  EncodedFrame frame = payloadFrame(payloads, 1000, keyframe);
  frame.captureTimeUs = monotonicUs();
  return frame;
}

/** Takes events until the first of its kind. */
inline void awaitEvent(EventQueue& events, Waiter& waiter, Event::Type type) {
  for (int attempts = 0; attempts < 20; attempts += 1) {
    waiter.wait();
    for (const Event& event : events.take()) {
      if (event.type == type) {
        return;
      }
    }
  }
  EXPECT(!"the event came");
}

/** A viewer's own socket. */
class Peer {
 public:
  explicit Peer(const char* address = "127.0.0.1")
      : socket_(UdpSocket::open(*SocketAddress::fromText(address, 0)).socket) {}
  const SocketAddress& local() const { return socket_->local(); }
  void send(const SocketAddress& to, Bytes datagram) { socket_->send(to, datagram, datagram.size(), stats_); }
  /** What is there; how many. */
  size_t drain() {
    size_t count = 0;
    while (socket_->receive([&](const SocketAddress&, MutableBytes) { count += 1; })) {
    }
    return count;
  }
  /** What is there. */
  std::vector<std::vector<uint8_t>> take() {
    std::vector<std::vector<uint8_t>> datagrams;
    while (socket_->receive(
        [&](const SocketAddress&, MutableBytes data) { datagrams.emplace_back(data.begin(), data.end()); })) {
    }
    return datagrams;
  }
  /** Until that many have come, or patience ends. */
  std::vector<std::vector<uint8_t>> receive(size_t count) {
    std::vector<std::vector<uint8_t>> datagrams;
    const int64_t untilUs = monotonicUs() + kPatienceUs;
    while (datagrams.size() < count && monotonicUs() < untilUs) {
      pollfd fd{socket_->fd(), POLLIN, 0};
      poll(&fd, 1, 100);
      for (auto& datagram : take()) {
        datagrams.push_back(std::move(datagram));
      }
    }
    return datagrams;
  }

 private:
  std::unique_ptr<UdpSocket> socket_;
  PlaneStats stats_;
};

/** ICE as a browser does it: the pair is selected. */
inline void connect(IoThread& thread, uint32_t endpoint, int socket, const SocketAddress& local, Peer& peer) {
  const std::string ufrag = "u" + std::to_string(endpoint);
  StunTransactionId id{};
  writeU32(id.data(), endpoint);
  thread.post([=](MediaCore& core, int64_t) {
    core.createEndpoint(endpoint, ufrag, "ours");
    core.setRemoteCredentials(endpoint, "theirs", "their-password");
  });
  thread.postPacket(endpoint, socket, peer.local(),
                    nominatingRequest(id, "theirs:" + ufrag, "their-password"));
  EXPECT_EQ(peer.receive(1).size(), 1);
  peer.send(local, authenticResponse(id, "their-password"));
}

}  // namespace streamkit::test
