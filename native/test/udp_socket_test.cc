#include "io/udp_socket.h"

#include <poll.h>

#include <algorithm>
#include <vector>

#include "io/clock.h"
#include "test.h"

namespace streamkit::test {

TEST("the kernel drops transport-wide feedback that comes alone, and nothing else") {
  const auto socket = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0)).socket;
  socket->dropTransportFeedback();
  const auto peer = UdpSocket::open(*SocketAddress::fromText("127.0.0.1", 0)).socket;
  PlaneStats stats;
  const auto send = [&](const char* head, size_t bytes) {
    std::vector<uint8_t> datagram = fromHex(head);
    datagram.resize(bytes);
    peer->send(socket->local(), datagram, datagram.size(), stats);
  };
  // Five words, with and without padding, under AES-GCM and SHA1_80.
  constexpr size_t kFeedbackBytes = 20;
  for (const char* head : {"8fcd0004", "afcd0004"}) {
    send(head, kFeedbackBytes + 20);
    send(head, kFeedbackBytes + 14);
  }
  struct Passed {
    const char* head;
    size_t bytes;
  };
  const std::vector<Passed> passed{
      // Something follows it; it is cut short; a NACK; a report; Opus; less than a header.
      {"8fcd0004", kFeedbackBytes + 8 + 20},
      {"8fcd0004", kFeedbackBytes},
      {"8fcdffff", 40},
      {"81cd0004", kFeedbackBytes + 20},
      {"8fce0004", 40},
      {"81c90007", 52},
      {"806f0004", kFeedbackBytes + 20},
      {"8fcd", 2},
      {"8f", 1}};
  for (const auto& [head, bytes] : passed) {
    send(head, bytes);
  }
  send("ffffffff", 4);
  std::vector<size_t> arrived;
  const int64_t untilUs = monotonicUs() + 5'000'000;
  for (bool last = false; !last && monotonicUs() < untilUs;) {
    pollfd fd{socket->fd(), POLLIN, 0};
    poll(&fd, 1, 100);
    socket->receive([&](const SocketAddress&, MutableBytes data) {
      last = data[0] == 0xff;
      arrived.push_back(data.size());
    });
  }
#ifdef __linux__
  EXPECT_EQ(arrived.size(), passed.size() + 1);
  for (size_t i = 0; i < std::min(arrived.size(), passed.size()); i += 1) {
    EXPECT_EQ(arrived[i], passed[i].bytes);
  }
#else
  EXPECT_EQ(arrived.size(), passed.size() + 4 + 1);
#endif
}

}  // namespace streamkit::test
