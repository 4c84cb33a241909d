#include "io/dtls_thread.h"

#include "dtls_certificate.h"
#include "io/event_queue.h"
#include "test.h"
#include "thread_bench.h"

namespace streamkit::test {
namespace {

constexpr uint32_t kWatching = 1;
constexpr uint32_t kJoining = 2;
constexpr uint32_t kProducer = 3;

/** Holds the thread that does DTLS, when it tells that a handshake is over, until it is let go. */
class HeldListener final : public IoThread::Listener {
 public:
  explicit HeldListener(EventQueue& events) : events_(events) {}

  void onDtlsConnected(uint32_t endpoint) override {
    hold();
    events_.onDtlsConnected(endpoint);
  }
  void onDtlsEnded(uint32_t, DtlsFault) override { hold(); }
  bool isHeld() {
    const std::lock_guard lock(mutex_);
    return held_;
  }
  void letGo() {
    const std::lock_guard lock(mutex_);
    letGo_ = true;
    condition_.notify_all();
  }

  void onPacket(uint32_t endpoint, int socket, const SocketAddress& from, Bytes data) override {
    events_.onPacket(endpoint, socket, from, data);
  }
  void onKeyframeWanted(uint32_t producer) override { events_.onKeyframeWanted(producer); }
  void onSwitched(uint32_t, uint32_t) override {}
  void onConsentLost(uint32_t) override {}
  void onDtlsData(uint32_t endpoint, Bytes data) override { events_.onDtlsData(endpoint, data); }
  void onEstimate(uint32_t, double) override {}
  void onMediaSocketFailed(uint32_t, MediaFault) override {}
  void onRelayAnswer(uint32_t, int, Bytes) override {}
  void onRelayEnded(uint32_t, int, const std::string&) override {}

 private:
  void hold() {
    std::unique_lock lock(mutex_);
    held_ = true;
    condition_.notify_all();
    EXPECT(condition_.wait_for(lock, std::chrono::microseconds(kPatienceUs), [this] { return letGo_; }));
  }

  EventQueue& events_;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool held_ = false;
  bool letGo_ = false;
};

/** A viewer's end of DTLS behind its socket. */
struct Client final : DtlsEndpoint::Listener {
  Client(Peer& itsPeer, const SocketAddress& itsServer, std::shared_ptr<DtlsContext> context)
      : peer(itsPeer), server(itsServer) {
    registry.setContext(std::move(context));
  }

  void onDtlsDatagram(uint32_t, Bytes datagram) override { peer.send(server, datagram); }
  void onDtlsConnected(uint32_t, SrtpSession) override { isConnected = true; }
  void onDtlsData(uint32_t, Bytes) override {}
  void onDtlsEnded(uint32_t, DtlsFault) override { EXPECT(false); }

  /** What has come is answered. */
  void advance() {
    for (const auto& datagram : peer.take()) {
      if (packetKindOf(datagram) == PacketKind::kDtls) {
        registry.receive(kJoining, datagram, monotonicUs());
      }
    }
    registry.advance(monotonicUs());
  }

  Peer& peer;
  SocketAddress server;
  bool isConnected = false;
  DtlsRegistry registry{*this};
};

void watch(IoThread& thread, uint32_t endpoint, bool byDtls) {
  ConsumerParameters consumer;
  consumer.ssrc = endpoint;
  consumer.targetBitrateBps = 50e6;
  thread.post([=](MediaCore& core, int64_t nowUs) {
    const uint32_t transport = 10 * endpoint;
    auto stats = std::make_shared<TransportStats>();
    if (byDtls) {
      EXPECT(core.createDtlsTransport(transport, endpoint, std::move(stats)));
    } else {
      core.createTransport(transport, endpoint, *SrtpSession::create(srtpParameters(4)), std::move(stats));
    }
    core.consume(transport + 1, transport, kProducer, consumer, std::make_shared<ConsumerStats>(), nowUs);
  });
}

/** Whether that many packets of media come. */
bool gets(Peer& viewer, size_t count) {
  size_t packets = 0;
  for (const int64_t untilUs = monotonicUs() + kPatienceUs; packets < count && monotonicUs() < untilUs;) {
    for (const auto& datagram : viewer.receive(1)) {
      packets += packetKindOf(datagram) == PacketKind::kRtp ? 1 : 0;
    }
  }
  return packets == count;
}

void joinBesideMedia(size_t sendThreads) {
  Waiter waiter;
  EventQueue events([&] { waiter.wake(); });
  HeldListener listener(events);
  IoThread thread(options(), true, listener, sendThreads);
  EXPECT(thread.running());
  auto opened = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0));
  const SocketAddress local = opened.socket->local();
  const int socket = thread.addSocket(std::move(opened.socket));
  const Certificate ours = makeCertificate();
  const Certificate theirs = makeCertificate();
  thread.post([context = contextOf(ours)](MediaCore& core, int64_t) {
    core.setDtlsContext(context);
    core.createProducer(kProducer, {});
  });
  Peer watching;
  connect(thread, kWatching, socket, local, watching);
  awaitEvent(events, waiter, Event::Type::kPacket);
  watch(thread, kWatching, false);
  awaitEvent(events, waiter, Event::Type::kKeyframe);

  Peer joining;
  connect(thread, kJoining, socket, local, joining);
  awaitEvent(events, waiter, Event::Type::kPacket);
  thread.post([fingerprints = *DtlsFingerprints::parse(theirs.fingerprint)](MediaCore& core, int64_t nowUs) {
    core.startDtls(kJoining, DtlsRole::kServer, fingerprints, nowUs);
  });
  Client client(joining, local, contextOf(theirs));
  client.registry.start(kJoining, DtlsRole::kClient, *DtlsFingerprints::parse(ours.fingerprint),
                        monotonicUs());
  for (const int64_t untilUs = monotonicUs() + kPatienceUs; !listener.isHeld() && monotonicUs() < untilUs;) {
    client.advance();
  }
  EXPECT(listener.isHeld());
  // A handshake that takes its time holds up nobody's pictures.
  thread.postFrame(kProducer, frameOf(100, true));
  EXPECT(gets(watching, 100));

  listener.letGo();
  awaitEvent(events, waiter, Event::Type::kDtlsConnected);
  watch(thread, kJoining, true);
  for (const int64_t untilUs = monotonicUs() + kPatienceUs; !client.isConnected && monotonicUs() < untilUs;) {
    client.advance();
  }
  EXPECT(client.isConnected);
  thread.postFrame(kProducer, frameOf(50, true));
  EXPECT(gets(joining, 50));
  client.registry.send(kJoining, fromHex("0a0b"));
  awaitEvent(events, waiter, Event::Type::kDtlsData);
  thread.stop();
}

}  // namespace

TEST("pictures go out while a handshake is done, and who has done it gets them") {
  joinBesideMedia(1);
}

TEST("the same with threads that send") {
  joinBesideMedia(2);
}

TEST("what one viewer sends to a thread that is busy keeps out no other's") {
  EventQueue events([] {});
  HeldListener listener(events);
  CommandQueue<MediaCore> core;
  DtlsThread thread(core, listener);
  EXPECT_EQ(thread.startError(), 0);
  // Without a certificate it ends, and the thread is held.
  thread.start(1, DtlsRole::kServer, *DtlsFingerprints::parse(makeCertificate().fingerprint), monotonicUs());
  for (const int64_t untilUs = monotonicUs() + kPatienceUs; !listener.isHeld() && monotonicUs() < untilUs;) {
  }
  EXPECT(listener.isHeld());
  const auto record = fromHex("16feff 0000 000000000000 0000");
  for (uint32_t i = 0; i < DtlsThread::kMaxQueuedOfOne; i += 1) {
    EXPECT(thread.receive(2, record, monotonicUs()));
  }
  EXPECT(!thread.receive(2, record, monotonicUs()));
  EXPECT(thread.receive(3, record, monotonicUs()));
  listener.letGo();
  // What the thread has taken makes room.
  bool hasRoom = false;
  for (const int64_t untilUs = monotonicUs() + kPatienceUs; !hasRoom && monotonicUs() < untilUs;) {
    hasRoom = thread.receive(2, record, monotonicUs());
  }
  EXPECT(hasRoom);
  thread.stop();
}

}  // namespace streamkit::test
