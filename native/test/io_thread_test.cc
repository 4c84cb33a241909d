#include "io/io_thread.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>

#include "core/srtp_receiver.h"
#include "io/clock.h"
#include "io/event_queue.h"
#include "test.h"

namespace streamkit::test {
namespace {

constexpr int64_t kPatienceUs = 5'000'000;

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

/** A viewer's own socket. */
class Peer {
 public:
  explicit Peer(const char* address = "127.0.0.1")
      : socket_(UdpSocket::open(*SocketAddress::fromText(address, 0)).socket) {}
  const SocketAddress& local() const { return socket_->local(); }
  void send(const SocketAddress& to, Bytes datagram) { socket_->send(to, datagram, datagram.size(), stats_); }
  /** Until that many have come, or patience ends. */
  std::vector<std::vector<uint8_t>> receive(size_t count) {
    std::vector<std::vector<uint8_t>> datagrams;
    const int64_t untilUs = monotonicUs() + kPatienceUs;
    while (datagrams.size() < count && monotonicUs() < untilUs) {
      pollfd fd{socket_->fd(), POLLIN, 0};
      poll(&fd, 1, 100);
      while (socket_->receive([&](const SocketAddress&, MutableBytes data) {
        datagrams.emplace_back(data.begin(), data.end());
      })) {
      }
    }
    return datagrams;
  }

 private:
  std::unique_ptr<UdpSocket> socket_;
  PlaneStats stats_;
};

MediaCore::Options options() {
  return {wallUs() - monotonicUs(), 7, 50'000};
}

SrtpParameters srtpParameters(uint8_t fill) {
  SrtpParameters srtp;
  srtp.local.key.fill(fill);
  srtp.remote.key.fill(static_cast<uint8_t>(fill + 1));
  return srtp;
}

EncodedFrame frameOf(uint32_t payloads, bool keyframe) {
  constexpr uint32_t kBytes = 1000;
  EncodedFrame frame;
  frame.bytes = std::make_unique<uint8_t[]>(size_t{payloads} * kBytes);
  for (uint32_t i = 0; i <= payloads; i += 1) {
    frame.offsets.push_back(i * kBytes);
  }
  frame.keyframe = keyframe;
  frame.captureTimeUs = monotonicUs();
  return frame;
}

/** Takes events until the first of its kind. */
void awaitEvent(EventQueue& events, Waiter& waiter, Event::Type type) {
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

void connect(IoThread& thread, uint32_t endpoint, int socket, const SocketAddress& local, Peer& peer) {
  const std::string ufrag = "u" + std::to_string(endpoint);
  StunTransactionId id{};
  writeU32(id.data(), endpoint);
  thread.post([=](MediaCore& core, int64_t) {
    core.createEndpoint(endpoint, ufrag, "ours");
    core.setRemoteCredentials(endpoint, "theirs", "their-password");
  });
  StunMessageBuilder request(StunClass::kRequest, id);
  request.username("theirs:" + ufrag).useCandidate().integrity("their-password").fingerprint();
  thread.postPacket(endpoint, socket, peer.local(), request.bytes());
  EXPECT_EQ(peer.receive(1).size(), 1);
  StunMessageBuilder response(StunClass::kSuccess, id);
  response.integrity("their-password").fingerprint();
  peer.send(local, response.bytes());
}

void fanOut(bool gso, const char* address) {
  Waiter waiter;
  EventQueue events([&] { waiter.wake(); });
  IoThread thread(options(), gso, events);
  EXPECT(thread.running());
  auto opened = UdpSocket::open(*SocketAddress::fromText(address, 0));
  const SocketAddress local = opened.socket->local();
  const int socket = thread.addSocket(std::move(opened.socket));
  Peer peer(address);
  connect(thread, 1, socket, local, peer);
  awaitEvent(events, waiter, Event::Type::kPacket);
  auto stats = std::make_shared<ConsumerStats>();
  ConsumerParameters consumer;
  consumer.ssrc = 5;
  consumer.targetBitrateBps = 50e6;
  thread.post([=](MediaCore& core, int64_t nowUs) {
    core.createProducer(2, {});
    core.createTransport(3, 1, srtpParameters(4), std::make_shared<TransportStats>());
    core.consume(4, 3, 2, consumer, stats, nowUs);
  });
  awaitEvent(events, waiter, Event::Type::kKeyframe);
  thread.postFrame(2, frameOf(100, true));
  auto datagrams = peer.receive(101);
  EXPECT_EQ(datagrams.size(), 101);
  auto srtp = SrtpReceiver::create(SrtpProfile::kAeadAes128Gcm, srtpParameters(4).local);
  size_t opened100 = 0;
  for (auto& datagram : datagrams) {
    if (packetKindOf(datagram) == PacketKind::kRtp) {
      opened100 += srtp->unprotect(datagram).has_value() ? 1 : 0;
    }
  }
  EXPECT_EQ(opened100, 100);
  EXPECT_EQ(stats->packetsSent, 100);
  EXPECT_EQ(thread.stats().packetsSent, 102);
  if (!gso) {
    EXPECT(!thread.stats().gso);
  }
#ifdef __linux__
  EXPECT(thread.stats().sendCalls <= 12);
#endif
  thread.stop();
  thread.stop();
}

}  // namespace

TEST("frames reach a real socket by segmentation, whole and authentic") {
  fanOut(true, "127.0.0.1");
}

TEST("frames reach a real socket without segmentation") {
  fanOut(false, "127.0.0.1");
}

TEST("frames reach a real socket over IPv6") {
  fanOut(true, "::1");
}

TEST("a port that is taken is told, and no socket is left") {
  auto first = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0));
  EXPECT(first.socket != nullptr);
  const auto second = UdpSocket::open(first.socket->local());
  EXPECT(second.socket == nullptr);
  EXPECT_EQ(second.error, EADDRINUSE);
}

TEST("planes that are made and stopped again and again leave no thread and no descriptor") {
  const int before = dup(0);
  close(before);
  for (int i = 0; i < 50; i += 1) {
    EventQueue events([] {});
    IoThread thread(options(), true, events);
    thread.addSocket(std::move(UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0)).socket));
    thread.post([](MediaCore& core, int64_t) { core.createEndpoint(1, "a", "b"); });
  }
  const int after = dup(0);
  close(after);
  EXPECT_EQ(after, before);
}

TEST("viewers come and go, frames and packets flow and figures are read, from two threads without a race") {
  constexpr uint32_t kViewers = 8;
  constexpr int kFrames = 200;
  Waiter waiter;
  EventQueue events([&] { waiter.wake(); });
  IoThread thread(options(), true, events);
  auto opened = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0));
  const SocketAddress local = opened.socket->local();
  const int socket = thread.addSocket(std::move(opened.socket));
  thread.post([](MediaCore& core, int64_t) {
    ProducerParameters parameters;
    parameters.gopReplay = true;
    core.createProducer(1, parameters);
  });
  std::vector<Peer> peers(kViewers);
  std::vector<std::shared_ptr<ConsumerStats>> stats;
  for (uint32_t i = 0; i < kViewers; i += 1) {
    connect(thread, 100 + i, socket, local, peers[i]);
    awaitEvent(events, waiter, Event::Type::kPacket);
    stats.push_back(std::make_shared<ConsumerStats>());
    thread.post([=, one = stats.back()](MediaCore& core, int64_t nowUs) {
      core.createTransport(200 + i, 100 + i, srtpParameters(static_cast<uint8_t>(i)),
                           std::make_shared<TransportStats>());
      ConsumerParameters consumer;
      consumer.ssrc = 5;
      consumer.rtxSsrc = 6;
      consumer.headerExtensions = {1, 2, 3, 4};
      consumer.targetBitrateBps = 100e6;
      core.consume(300 + i, 200 + i, 1, consumer, one, nowUs);
    });
  }
  std::atomic<bool> done{false};
  std::atomic<size_t> received{0};
  std::thread reader([&] {
    while (!done) {
      for (Peer& peer : peers) {
        received += peer.receive(0).size();
        // Garbage, at the same time.
        peer.send(local, fromHex("81ce0002 00000001 00001000"));
      }
      for (Peer& peer : peers) {
        received += peer.receive(1).size();
      }
    }
  });
  uint64_t figures = 0;
  for (int i = 0; i < kFrames; i += 1) {
    thread.postFrame(1, frameOf(i == 0 ? 20 : 3, i == 0));
    figures += thread.stats().packetsSent + stats[0]->packetsSent + events.dropped() + events.take().size();
    if (i == kFrames / 2) {
      thread.post([](MediaCore& core, int64_t) { core.closeTransport(200); });
      thread.post([](MediaCore& core, int64_t) { core.closeEndpoint(101); });
    }
    const int64_t untilUs = monotonicUs() + 2'000;
    while (monotonicUs() < untilUs) {
      std::this_thread::yield();
    }
  }
  const int64_t untilUs = monotonicUs() + kPatienceUs;
  const uint64_t all = 20 + 3 * (kFrames - 1);
  while (stats[7]->packetsSent < all && monotonicUs() < untilUs) {
    std::this_thread::yield();
  }
  EXPECT_EQ(stats[7]->packetsSent, all);
  EXPECT(stats[0]->packetsSent < all);
  EXPECT(figures > 0);
  done = true;
  // The reader may sleep on a viewer that is gone.
  for (Peer& peer : peers) {
    Peer().send(peer.local(), fromHex("00"));
  }
  reader.join();
  EXPECT(received > all);
  thread.stop();
  EXPECT(thread.stats().droppedSrtcpAuthentication > 0);
}

TEST("frames that the thread has no time for are dropped up to a keyframe, not hoarded") {
  EventQueue events([] {});
  IoThread thread(options(), true, events);
  std::mutex gate;
  gate.lock();
  thread.post([](MediaCore& core, int64_t) { core.createProducer(1, {}); });
  // NOLINTNEXTLINE: held over the thread's sleep on purpose.
  thread.post([&gate](MediaCore&, int64_t) { const std::lock_guard lock(gate); });
  for (size_t i = 0; i < IoThread::kMaxQueuedFrames * 4; i += 1) {
    thread.postFrame(1, frameOf(1, false));
  }
  for (size_t i = 0; i < IoThread::kMaxQueuedPackets * 2; i += 1) {
    thread.postPacket(1, 0, *SocketAddress::fromText("127.0.0.1", 9), fromHex("16"));
  }
  gate.unlock();
  thread.stop();
}

TEST("events that nobody takes are bounded, and a keyframe request is not lost") {
  int wakes = 0;
  EventQueue events([&] { wakes += 1; });
  const auto data = fromHex("16fe");
  for (size_t i = 0; i < EventQueue::kMaxEvents + 10; i += 1) {
    events.onPacket(1, 0, *SocketAddress::fromText("127.0.0.1", 9), data);
  }
  events.onKeyframeWanted(3);
  events.onKeyframeWanted(3);
  EXPECT_EQ(events.dropped(), 10);
  EXPECT_EQ(wakes, 1);
  const auto taken = events.take();
  EXPECT_EQ(taken.size(), EventQueue::kMaxEvents + 1);
  EXPECT(taken.back().type == Event::Type::kKeyframe);
  events.onKeyframeWanted(3);
  EXPECT_EQ(wakes, 2);
}

}  // namespace streamkit::test
