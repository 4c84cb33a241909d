#include "io/io_thread.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "io/clock.h"
#include "io/event_queue.h"
#include "io/thread_priority.h"
#include "media_frame_builder.h"
#include "payload_frame.h"
#include "srtp_receiver.h"
#include "stun_message_builder.h"
#include "test.h"
#include "thread_bench.h"

namespace streamkit::test {
namespace {

uint64_t packetsSentBy(const IoThread& thread) {
  PlaneStats sum;
  thread.addStats(sum);
  return sum.packetsSent;
}

void fanOut(bool gso, const char* address, size_t sendThreads = 1) {
  Waiter waiter;
  EventQueue events([&] { waiter.wake(); });
  IoThread thread(options(), gso, events, sendThreads);
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
    core.createTransport(3, 1, *SrtpSession::create(srtpParameters(4)), std::make_shared<TransportStats>());
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
  // What has arrived is counted a moment later.
  thread.stop();
  EXPECT_EQ(stats->packetsSent, 100);
  PlaneStats sum;
  thread.addStats(sum);
  EXPECT_EQ(sum.packetsSent, 102);
  if (!gso) {
    EXPECT(!sum.gso);
  }
#ifdef __linux__
  EXPECT(sum.sendCalls <= 12);
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

TEST("frames reach a real socket from a thread that only sends") {
  fanOut(true, "127.0.0.1", 2);
  fanOut(false, "127.0.0.1", 2);
}

#ifdef __linux__
TEST("threads of media go before others where the system permits it") {
  int permitted = 0;
  std::thread([&] {
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - kMediaUrgency);
    permitted = getpriority(PRIO_PROCESS, 0);
  }).join();
  EventQueue events([] {});
  IoThread receiving(options(), true, events);
  PlaneStats stats;
  TcpSockets tcp(stats);
  RelaySockets relays(events, true, stats);
  ShardThread sending(options(), true, events, tcp, relays);
  std::atomic<int> ofReceiving{100};
  std::atomic<int> ofSending{100};
  receiving.post([&](MediaCore&, int64_t) { ofReceiving = getpriority(PRIO_PROCESS, 0); });
  sending.post([&](MediaShard&, int64_t) { ofSending = getpriority(PRIO_PROCESS, 0); });
  receiving.stop();
  sending.stop();
  EXPECT_EQ(ofReceiving, permitted);
  EXPECT_EQ(ofSending, permitted);
}
#endif

TEST("a port that is taken is told, and no socket is left") {
  auto first = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0));
  EXPECT(first.socket != nullptr);
  const auto second = UdpSocket::open(first.socket->local());
  EXPECT(second.socket == nullptr);
  EXPECT_EQ(second.error, EADDRINUSE);
}

TEST("a socket asks the kernel for buffers of the size that it is given") {
  constexpr int kBytes = 16 * 1024;
  const auto opened = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0), kBytes);
  for (const int option : {SO_RCVBUF, SO_SNDBUF}) {
    int bytes = 0;
    socklen_t length = sizeof bytes;
    EXPECT_EQ(getsockopt(opened.socket->fd(), SOL_SOCKET, option, &bytes, &length), 0);
    // Linux doubles it, for its own bookkeeping.
    EXPECT(bytes >= kBytes && bytes <= 2 * kBytes);
  }
}

TEST("planes that are made and stopped again and again leave no thread and no descriptor") {
  const int before = dup(0);
  close(before);
  for (size_t i = 0; i < 50; i += 1) {
    EventQueue events([] {});
    IoThread thread(options(), true, events, 1 + i % 3);
    thread.addSocket(std::move(UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0)).socket));
    thread.post([](MediaCore& core, int64_t) { core.createEndpoint(1, "a", "b"); });
  }
  const int after = dup(0);
  close(after);
  EXPECT_EQ(after, before);
}

namespace {

void comeAndGo(uint32_t viewers, size_t sendThreads) {
  constexpr int kFrames = 200;
  Waiter waiter;
  EventQueue events([&] { waiter.wake(); });
  IoThread thread(options(), true, events, sendThreads);
  auto opened = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0));
  const SocketAddress local = opened.socket->local();
  const int socket = thread.addSocket(std::move(opened.socket));
  thread.post([](MediaCore& core, int64_t) {
    ProducerParameters parameters;
    parameters.gopReplay = true;
    core.createProducer(1, parameters);
  });
  std::vector<Peer> peers(viewers);
  std::vector<std::shared_ptr<ConsumerStats>> stats;
  for (uint32_t i = 0; i < viewers; i += 1) {
    connect(thread, 100 + i, socket, local, peers[i]);
    awaitEvent(events, waiter, Event::Type::kPacket);
    stats.push_back(std::make_shared<ConsumerStats>());
    thread.post([=, one = stats.back()](MediaCore& core, int64_t nowUs) {
      core.createTransport(200 + i, 100 + i, *SrtpSession::create(srtpParameters(static_cast<uint8_t>(i))),
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
  std::atomic<size_t> rounds{0};
  std::thread reader([&] {
    while (!done) {
      for (Peer& peer : peers) {
        received += peer.drain();
        // Garbage, at the same time.
        peer.send(local, fromHex("81ce0002 00000001 00001000"));
      }
      rounds += 1;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  const auto await = [](const auto& condition) {
    const int64_t untilUs = monotonicUs() + kPatienceUs;
    while (!condition() && monotonicUs() < untilUs) {
      std::this_thread::yield();
    }
    return condition();
  };
  EXPECT(await([&] { return rounds > 0; }));
  uint64_t figures = 0;
  for (int i = 0; i < kFrames; i += 1) {
    const size_t before = rounds;
    thread.postFrame(1, frameOf(i == 0 ? 20 : 3, i == 0));
    figures += packetsSentBy(thread) + stats[0]->packetsSent + events.dropped() + events.take().size();
    if (i == kFrames / 2) {
      thread.post([](MediaCore& core, int64_t) { core.closeTransport(200); });
      thread.post([](MediaCore& core, int64_t) { core.closeEndpoint(101); });
      // Producers too, which all threads have.
      thread.post([](MediaCore& core, int64_t nowUs) {
        core.createProducer(2, {});
        core.switchConsumer(302, 2, nowUs);
      });
    }
    // Both go on at the same time: a frame for each round of the reader.
    EXPECT(await([&] { return rounds > before; }));
  }
  const uint64_t all = 20 + 3 * (kFrames - 1);
  // On a machine that stands still for a while the plane leaves viewers out, and says so.
  const auto packetsOf = [&](size_t viewer) {
    return stats[viewer]->packetsSent + 3 * stats[viewer]->framesDropped;
  };
  EXPECT(await([&] { return packetsOf(7) >= all; }));
  EXPECT_EQ(packetsOf(7), all);
  EXPECT(packetsOf(0) < all);
  EXPECT(figures > 0);
  EXPECT(await([&] { return 2 * received > packetsSentBy(thread); }));
  done = true;
  reader.join();
  thread.stop();
  PlaneStats sum;
  thread.addStats(sum);
  EXPECT(sum.droppedSrtcpAuthentication >= kFrames);
}

}  // namespace

TEST("viewers come and go, frames and packets flow and figures are read, from two threads without a race") {
  comeAndGo(8, 1);
}

TEST("viewers come and go, frames and packets flow and figures are read, with three threads that send") {
  comeAndGo(12, 3);
}

TEST("frames that the thread has no time for are dropped up to a keyframe, not hoarded") {
  Waiter waiter;
  EventQueue events([&] { waiter.wake(); });
  IoThread thread(options(), true, events);
  auto opened = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0));
  const SocketAddress local = opened.socket->local();
  const int socket = thread.addSocket(std::move(opened.socket));
  Peer peer;
  connect(thread, 1, socket, local, peer);
  awaitEvent(events, waiter, Event::Type::kPacket);
  auto stats = std::make_shared<ConsumerStats>();
  ConsumerParameters consumer;
  consumer.ssrc = 5;
  consumer.targetBitrateBps = 500e6;
  thread.post([=](MediaCore& core, int64_t nowUs) {
    core.createProducer(2, {});
    core.createTransport(3, 1, *SrtpSession::create(srtpParameters(4)), std::make_shared<TransportStats>());
    core.consume(4, 3, 2, consumer, stats, nowUs);
  });
  const auto sent = [&](uint64_t packets) {
    const int64_t untilUs = monotonicUs() + kPatienceUs;
    while (stats->packetsSent < packets && monotonicUs() < untilUs) {
      std::this_thread::yield();
    }
    return stats->packetsSent.get();
  };
  thread.postFrame(2, frameOf(1, true));
  EXPECT_EQ(sent(1), 1);
  std::mutex gate;
  gate.lock();
  // Held over the thread's sleep on purpose.
  thread.post([&gate](MediaCore&, int64_t) { const std::lock_guard lock(gate); });
  for (size_t i = 0; i < IoThread::kMaxQueuedFrames * 4; i += 1) {
    thread.postFrame(2, frameOf(1, false));
  }
  for (size_t i = 0; i < IoThread::kMaxQueuedPackets * 2; i += 1) {
    thread.postPacket(1, socket, *SocketAddress::fromText("127.0.0.1", 9), fromHex("16"));
  }
  gate.unlock();
  constexpr uint64_t kQueued = 1 + IoThread::kMaxQueuedFrames;
  EXPECT_EQ(sent(kQueued), kQueued);
  // The next one cannot be decoded, for some before it are missing.
  thread.postFrame(2, frameOf(1, false));
  thread.postFrame(2, frameOf(1, true));
  EXPECT_EQ(sent(kQueued + 1), kQueued + 1);
  thread.stop();
  EXPECT_EQ(stats->packetsSent, kQueued + 1);
  EXPECT(thread.stats().packetsSent > IoThread::kMaxQueuedPackets);
  EXPECT(thread.stats().packetsSent < IoThread::kMaxQueuedPackets + kQueued + 20);
}

TEST("a session process's frames reach its viewer while another one floods, which ends the other alone") {
  Waiter waiter;
  EventQueue events([&] { waiter.wake(); });
  IoThread thread(options(), true, events);
  auto opened = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0));
  const SocketAddress local = opened.socket->local();
  const int socket = thread.addSocket(std::move(opened.socket));
  Peer peer;
  connect(thread, 1, socket, local, peer);
  awaitEvent(events, waiter, Event::Type::kPacket);
  auto stats = std::make_shared<ConsumerStats>();
  ConsumerParameters consumer;
  consumer.ssrc = 5;
  consumer.targetBitrateBps = 500e6;
  thread.post([=](MediaCore& core, int64_t nowUs) {
    core.createProducer(2, {});
    core.createTransport(3, 1, *SrtpSession::create(srtpParameters(4)), std::make_shared<TransportStats>());
    core.consume(4, 3, 2, consumer, stats, nowUs);
  });
  const auto healthy = MediaSocket::open();
  const auto flooding = MediaSocket::open();
  auto slots = std::make_shared<MediaSocketStats>();
  thread.addMediaSocket(10, healthy.ours, slots);
  thread.addMediaSocket(11, flooding.ours, std::make_shared<MediaSocketStats>());
  thread.bindMediaStream(10, 0, 2);
  std::atomic<bool> flooded{false};
  std::thread flood([&] {
    const auto frame = mediaFrame(0, true, std::vector<uint32_t>(100, 1000));
    while (send(flooding.theirs, frame.data(), frame.size(), MSG_NOSIGNAL) > 0) {
    }
    flooded = true;
  });
  uint64_t frames = 0;
  while (frames < 20 || (!flooded && frames < 100'000)) {
    const auto frame = mediaFrame(0, frames == 0);
    EXPECT_EQ(write(healthy.theirs, frame.data(), frame.size()), frame.size());
    frames += 1;
    const int64_t untilUs = monotonicUs() + kPatienceUs;
    while (slots->slots[0].frames < frames && monotonicUs() < untilUs) {
      std::this_thread::sleep_for(std::chrono::microseconds(700));
    }
  }
  flood.join();
  EXPECT(flooded);
  awaitEvent(events, waiter, Event::Type::kMediaSocketFailed);
  thread.closeMediaSocket(11);
  thread.closeMediaSocket(10);
  thread.stop();
  EXPECT_EQ(slots->slots[0].frames, frames);
  EXPECT_EQ(slots->slots[0].dropped, 0);
  EXPECT_EQ(stats->packetsSent + stats->framesDropped, frames);
  EXPECT(stats->packetsSent > 0);
  close(healthy.theirs);
  close(flooding.theirs);
}

TEST("a send that cannot be segmented goes out one by one, and the next is segmented again") {
  PlaneStats stats;
  const auto sender = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0)).socket;
  if (!sender->segments()) {
    return;
  }
  Peer peer;
  // More segments than the kernel takes: EINVAL, as for a segment that does not fit the path.
  const std::vector<uint8_t> many(2000);
  sender->send(peer.local(), many, 10, stats);
  EXPECT_EQ(peer.receive(200).size(), 200);
  EXPECT(stats.sendCalls > 1);
  const uint64_t calls = stats.sendCalls;
  sender->send(peer.local(), many, 200, stats);
  EXPECT_EQ(peer.receive(10).size(), 10);
  EXPECT_EQ(stats.sendCalls, calls + 1);
}

}  // namespace streamkit::test
