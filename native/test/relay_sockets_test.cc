#include "payload_frame.h"
#include "relay_bench.h"
#include "test.h"
#include "thread_bench.h"
#include "turn_message.h"

#ifdef __linux__

namespace streamkit::test {

TEST("a viewer behind a TURN server is sent media by its channel, in segments of one size") {
  RelayBench bench;
  bench.nominate();
  EXPECT(bench.events.packets[0].from == bench.peer);
  bench.core.createProducer(50, {});
  bench.core.createTransport(101, 1, *SrtpSession::create(srtpParameters(4)),
                             std::make_shared<TransportStats>());
  ConsumerParameters parameters;
  parameters.ssrc = 5;
  parameters.targetBitrateBps = 20e6;
  const auto consumer = std::make_shared<ConsumerStats>();
  EXPECT(bench.core.consume(201, 101, 50, parameters, consumer, bench.nowUs));
  EncodedFrame frame = payloadFrame(20, 1000, true);
  bench.core.sendFrame(50, std::move(frame), false, bench.nowUs);
  for (const int64_t endUs = bench.nowUs + 100'000; bench.nowUs < endUs; bench.nowUs += 1'000) {
    bench.core.advance(bench.nowUs, 10'000);
  }
  size_t media = 0;
  while (media < 20) {
    std::vector<uint8_t> datagram = bench.receive();
    const auto data = ChannelData::parse(datagram);
    EXPECT(data.has_value() && data->channel == kChannel);
    if (!data.has_value()) {
      break;
    }
    EXPECT_EQ(data->data.size(), datagram.size() - ChannelData::kHeaderBytes);
    media += packetKindOf(data->data) == PacketKind::kRtp ? 1 : 0;
  }
  EXPECT_EQ(consumer->packetsSent, 20);
  EXPECT(bench.stats.sendCalls < 15);
}

TEST("nothing counts at a socket to a TURN server that others send, or that goes by no channel of a peer's") {
  RelayBench bench;
  bench.nominate();
  const auto check = viewerCheck("u1", "ours", 2);
  bench.sendInVain(bench.stranger, channelData(kChannel, check));
  EXPECT_EQ(bench.stats.droppedUnknownSource, 1);
  bench.sendInVain(bench.stranger, dataIndication(bench.peer, check));
  EXPECT_EQ(bench.stats.droppedUnknownSource, 2);
  bench.sendInVain(bench.server, channelData(kChannel + 1, check));
  EXPECT_EQ(bench.stats.droppedUnknownSource, 3);
  // Unwrapped as well.
  bench.sendInVain(bench.server, check);
  EXPECT_EQ(bench.stats.droppedUnknownSource, 4);
  bench.sendInVain(bench.server, fromHex("4000 0100 16fefd"));
  bench.sendInVain(bench.server, fromHex("0017 0000 2112a442"));
  EXPECT_EQ(bench.stats.droppedMalformed, 2);
  // The peer of a channel has to prove itself as others do.
  bench.relays.bind(bench.opened.socket, kChannel + 1, *SocketAddress::fromText("192.0.2.8", 1));
  bench.sendInVain(bench.server, channelData(kChannel + 1, fromHex("16fefd00")));
  EXPECT_EQ(bench.stats.droppedUnknownSource, 5);
  bench.sendInVain(bench.server, channelData(kChannel + 1, viewerCheck("u1", "guess", 3)));
  EXPECT_EQ(bench.stats.droppedStunIntegrity, 1);
  EXPECT(bench.core.knows(bench.opened.socket, bench.peer));
  // The same address by a socket of ours is somebody else.
  EXPECT(!bench.core.knows(0, bench.peer));
}

TEST("a peer without a channel may prove who it is, and no more") {
  RelayBench bench;
  const auto check = viewerCheck("u1", "ours");
  bench.sendInVain(bench.server, dataIndication(bench.peer, fromHex("16fefd00")));
  EXPECT_EQ(bench.stats.droppedUnknownSource, 1);
  bench.server.send(dataIndication(bench.peer, check), bench.relayed);
  EXPECT(bench.await([&] { return bench.events.packets.size() == 1; }));
  EXPECT(bench.events.packets[0].from == bench.peer && bench.events.packets[0].data == check);
  // What it is sent has no way until then.
  const uint64_t before = bench.stats.sendErrors;
  bench.core.sendPacket(1, bench.opened.socket, bench.peer, check, bench.nowUs);
  EXPECT_EQ(bench.stats.sendErrors, before + 1);
  EXPECT(bench.server.receive().empty());
}

TEST("of what a TURN server answers only that counts which was asked") {
  RelayBench bench;
  const StunTransactionId id{7, 7, 7};
  const auto request = StunMessageBuilder(StunClass::kRequest, id).bytes();
  const auto answer = StunMessageBuilder(StunClass::kSuccess, id).bytes();
  bench.sendInVain(bench.server, answer);
  bench.relays.sendToServer(bench.opened.socket, request);
  EXPECT(bench.receive() == request);
  bench.sendInVain(bench.server, StunMessageBuilder(StunClass::kSuccess, {8}).bytes());
  bench.sendInVain(bench.stranger, answer);
  EXPECT(bench.answers.messages.empty());
  bench.server.send(answer, bench.relayed);
  EXPECT(bench.await([&] { return bench.answers.messages.size() == 1; }));
  EXPECT(bench.answers.messages[0] == answer && bench.answers.endpoints[0] == 1);
  for (uint8_t i = 0; i < RelaySocket::kMaxRequests; i += 1) {
    bench.relays.sendToServer(bench.opened.socket, StunMessageBuilder(StunClass::kRequest, {9, i}).bytes());
  }
  bench.sendInVain(bench.server, answer);
  EXPECT_EQ(bench.answers.messages.size(), 1);
}

TEST("the sockets to TURN servers of one viewer and the channels of one socket are bounded") {
  RelayBench bench;
  const auto local = *SocketAddress::fromText("127.0.0.1", 0);
  std::vector<int> more;
  for (size_t i = 1; i < RelaySockets::kMaxSocketsOfOne; i += 1) {
    more.push_back(bench.relays.open(1, local, bench.server.local()).socket);
    EXPECT(more.back() > bench.opened.socket);
  }
  const auto refused = bench.relays.open(1, local, bench.server.local());
  EXPECT(refused.socket < 0 && refused.limit == RelaySockets::Limit::kEndpoint);
  TcpServer unasked;
  EXPECT(bench.relays.dial(1, unasked.local()).limit == RelaySockets::Limit::kEndpoint);
  EXPECT(!unasked.isAsked());
  EXPECT(bench.relays.open(2, local, bench.server.local()).socket >= 0);
  bench.relays.close(more[0], bench.core, bench.nowUs);
  EXPECT(bench.relays.open(1, local, bench.server.local()).socket > more.back());
  for (uint16_t i = 0; i <= RelaySocket::kMaxChannels; i += 1) {
    bench.relays.bind(bench.opened.socket, static_cast<uint16_t>(kChannel + i),
                      *SocketAddress::fromText("192.0.2.9", static_cast<uint16_t>(1 + i)));
  }
  const auto last = static_cast<uint16_t>(kChannel + RelaySocket::kMaxChannels);
  bench.sendInVain(bench.server, channelData(last, viewerCheck("u1", "ours")));
  bench.relays.unbind(bench.opened.socket, kChannel);
  bench.relays.bind(bench.opened.socket, last, bench.peer);
  bench.server.send(channelData(last, viewerCheck("u1", "ours")), bench.relayed);
  EXPECT(bench.await([&] { return bench.events.packets.size() == 1; }));
  EXPECT(bench.events.packets[0].from == bench.peer);
}

TEST("a viewer whose allocation has ended is sent nothing any more") {
  RelayBench bench;
  bench.nominate();
  EXPECT(bench.core.knows(bench.opened.socket, bench.peer));
  bench.relays.close(bench.opened.socket, bench.core, bench.nowUs);
  EXPECT(!bench.core.knows(bench.opened.socket, bench.peer));
  bench.core.sendPacket(1, bench.opened.socket, bench.peer, fromHex("16fefd00"), bench.nowUs);
  bench.relays.close(bench.opened.socket, bench.core, bench.nowUs);
  bench.await([] { return true; });
  EXPECT(bench.server.receive().empty());
}

TEST("a TURN server on TCP is sent whole messages, padded, and media waits while it reads none") {
  RelayBench bench;
  TcpServer server;
  const auto dialled = bench.relays.dial(1, server.local());
  EXPECT_EQ(dialled.error, 0);
  // At once: it waits for the connection.
  const StunTransactionId asked{7};
  const auto request = StunMessageBuilder(StunClass::kRequest, asked).bytes();
  bench.relays.sendToServer(dialled.socket, request);
  server.accept();
  std::vector<std::vector<uint8_t>> got;
  const auto receive = [&](size_t count) {
    return bench.await([&] {
      for (auto& message : server.receive()) {
        got.push_back(std::move(message));
      }
      return got.size() >= count;
    });
  };
  EXPECT(receive(1) && got[0] == request);
  // It is not repeated in a stream: the next message is another.
  bench.relays.sendToServer(dialled.socket, request);
  const auto padded = [](std::vector<uint8_t> message) {
    message.resize((message.size() + 3) / 4 * 4);
    return message;
  };
  bench.relays.bind(dialled.socket, kChannel, bench.peer);
  const auto answer = StunMessageBuilder(StunClass::kSuccess, asked).bytes();
  // Of three bytes, which begins as DTLS does and is none of a viewer that is known.
  auto stream = padded(channelData(kChannel, fromHex("16fefd")));
  const auto check = padded(channelData(kChannel, viewerCheck("u1", "ours")));
  stream.insert(stream.end(), answer.begin(), answer.end());
  stream.insert(stream.end(), check.begin(), check.end());
  server.send(stream);
  EXPECT(bench.await([&] { return bench.events.packets.size() == 1; }));
  EXPECT(bench.events.packets[0].from == bench.peer && bench.core.knows(dialled.socket, bench.peer));
  EXPECT(bench.answers.messages.size() == 1 && bench.answers.messages[0] == answer);
  EXPECT_EQ(bench.stats.droppedUnknownSource, 1);

  const std::vector<uint8_t> media(2 * 1001 + 7, 9);
  bench.sockets.send(dialled.socket, bench.peer, media, 1001);
  EXPECT(receive(4));
  EXPECT(got[1] == padded(channelData(kChannel, Bytes(media).first(1001))) && got[2] == got[1]);
  EXPECT(got[3] == padded(channelData(kChannel, Bytes(media).first(7))));

  // The server reads nothing more until the kernel takes no more.
  size_t packets = got.size();
  while (!bench.sockets.blocked(dialled.socket, bench.peer) && packets < 100'000) {
    bench.sockets.send(dialled.socket, bench.peer, media, 1001);
    packets += 3;
  }
  EXPECT(receive(packets));
  EXPECT(bench.await([&] { return !bench.sockets.blocked(dialled.socket, bench.peer); }));
}

TEST("a request that a full TCP connection drops goes out when it is repeated") {
  RelayBench bench;
  TcpServer server;
  const auto dialled = bench.relays.dial(1, server.local());
  server.accept();
  bench.relays.bind(dialled.socket, kChannel, bench.peer);
  const std::vector<uint8_t> media(1001, 9);
  const uint64_t before = bench.stats.sendErrors;
  size_t packets = 0;
  for (; bench.stats.sendErrors == before && packets < 100'000; packets += 1) {
    bench.sockets.send(dialled.socket, bench.peer, media, 1001);
  }
  // The last one is not among them.
  packets -= 1;
  // Of the length of media, lest it fits in where that does not.
  const auto request = StunMessageBuilder(StunClass::kRequest, {7}).attribute(0x8022, media).bytes();
  bench.relays.sendToServer(dialled.socket, request);
  EXPECT_EQ(bench.stats.sendErrors, before + 2);
  std::vector<uint8_t> last;
  const auto receive = [&](size_t count) {
    return bench.await([&] {
      for (auto& message : server.receive()) {
        packets -= 1;
        last = std::move(message);
      }
      return packets == count;
    });
  };
  EXPECT(receive(0) && last != request);
  packets = 1;
  bench.relays.sendToServer(dialled.socket, request);
  EXPECT(receive(0) && last == request);
}

TEST("a connection to a TURN server that ends is told of once, and its viewer is sent nothing any more") {
  RelayBench bench;
  const auto known = [&](int socket) { return bench.core.knows(socket, bench.peer); };
  const auto dial = [&](TcpServer& server) {
    const auto dialled = bench.relays.dial(1, server.local());
    EXPECT_EQ(dialled.error, 0);
    server.accept();
    bench.relays.bind(dialled.socket, kChannel, bench.peer);
    server.send(channelData(kChannel, viewerCheck("u1", "ours")));
    EXPECT(bench.await([&] { return known(dialled.socket); }));
    return dialled.socket;
  };
  TcpServer closing;
  const int closed = dial(closing);
  closing.end();
  EXPECT(bench.await([&] { return bench.answers.ended.size() == 1; }));
  EXPECT(bench.answers.ended[0] == closed && !known(closed));
  // What is no message, too.
  TcpServer speaking;
  const int spoken = dial(speaking);
  speaking.send(fromHex("5353482d"));
  EXPECT(bench.await([&] { return bench.answers.ended.size() == 2; }));
  EXPECT(bench.answers.ended[1] == spoken && !known(spoken));
  bench.sockets.send(spoken, bench.peer, fromHex("16fefd"), 3);
  bench.relays.close(spoken, bench.core, bench.nowUs);
  bench.await([] { return true; });
  EXPECT_EQ(bench.answers.ended.size(), 2);
  // Nobody listens there.
  TcpServer gone;
  gone.stop();
  const auto refused = bench.relays.dial(1, gone.local());
  EXPECT_EQ(refused.error, 0);
  EXPECT(bench.await([&] { return bench.answers.ended.size() == 3; }));
  EXPECT_EQ(bench.answers.ended[2], refused.socket);
}

TEST("viewers behind TURN servers get whole packets from several threads, and the plane ends meanwhile") {
  constexpr uint32_t kViewers = 6;
  constexpr size_t kFrames = 50;
  Waiter waiter;
  EventQueue events([&] { waiter.wake(); });
  IoThread thread(options(), true, events, 2);
  thread.post([](MediaCore& core, int64_t) { core.createProducer(1, {}); });
  UdpPeer server;
  const auto receive = [&] {
    std::vector<std::vector<uint8_t>> datagrams;
    const int64_t untilUs = monotonicUs() + kPatienceUs;
    while (datagrams.empty() && monotonicUs() < untilUs) {
      datagrams = server.receive();
    }
    return datagrams;
  };
  std::vector<RelaySockets::Opened> relays;
  std::vector<std::shared_ptr<ConsumerStats>> stats;
  for (uint32_t i = 0; i < kViewers; i += 1) {
    const SocketAddress peer = *SocketAddress::fromText("192.0.2.1", static_cast<uint16_t>(1000 + i));
    const uint32_t endpoint = 100 + i;
    const std::string ufrag = "u" + std::to_string(i);
    thread.post([=](MediaCore& core, int64_t) {
      core.createEndpoint(endpoint, ufrag, "ours");
      core.setRemoteCredentials(endpoint, "theirs", "their-password");
    });
    const auto relay = thread.openRelay(endpoint, *SocketAddress::fromText("127.0.0.1", 0), server.local());
    EXPECT_EQ(relay.error, 0);
    relays.push_back(relay);
    thread.bindChannel(relay.socket, kChannel, peer);
    StunTransactionId id{};
    writeU32(id.data(), i);
    thread.postPacket(endpoint, relay.socket, peer,
                      nominatingRequest(id, "theirs:" + ufrag, "their-password"));
    EXPECT_EQ(receive().size(), 1);
    server.send(channelData(kChannel, authenticResponse(id, "their-password")), relay.local);
    awaitEvent(events, waiter, Event::Type::kPacket);
    stats.push_back(std::make_shared<ConsumerStats>());
    thread.post([=, one = stats.back()](MediaCore& core, int64_t nowUs) {
      core.createTransport(200 + i, endpoint, *SrtpSession::create(srtpParameters(4)),
                           std::make_shared<TransportStats>());
      ConsumerParameters consumer;
      consumer.ssrc = 5;
      consumer.targetBitrateBps = 100e6;
      core.consume(300 + i, 200 + i, 1, consumer, one, nowUs);
    });
  }
  size_t media = 0;
  bool isIntact = true;
  const auto readAll = [&] {
    for (std::vector<uint8_t>& datagram : server.receive()) {
      const auto data = ChannelData::parse(datagram);
      isIntact = isIntact && data.has_value() && data->channel == kChannel &&
                 data->data.size() + ChannelData::kHeaderBytes == datagram.size();
      media += isIntact && packetKindOf(data->data) == PacketKind::kRtp ? 1 : 0;
    }
  };
  for (size_t i = 0; i < kFrames; i += 1) {
    thread.postFrame(1, frameOf(5, i == 0));
    readAll();
  }
  const auto sent = [&] {
    uint64_t sum = 0;
    for (const auto& one : stats) {
      sum += one->packetsSent;
    }
    return sum;
  };
  const int64_t untilUs = monotonicUs() + kPatienceUs;
  while (media < 5 * kViewers && monotonicUs() < untilUs) {
    readAll();
  }
  EXPECT(isIntact);
  EXPECT(media >= 5 * kViewers && media <= sent());
  // An allocation ends while its viewer is sent something, and the plane while others are.
  thread.postFrame(1, frameOf(20, true));
  thread.closeRelay(relays[0].socket);
  thread.postFrame(1, frameOf(20, false));
  thread.stop();
}

}  // namespace streamkit::test

#endif
