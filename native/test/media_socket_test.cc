#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "io/media_socket_set.h"
#include "media_frame_builder.h"
#include "test.h"
#include "virtual_network.h"

namespace streamkit::test {
namespace {

/** Media sockets on a core, with the other ends of them. */
struct SocketBench : Bench, MediaSocketSet::Listener {
  /** @returns the session process's end */
  int open(uint32_t id) {
    const auto pair = MediaSocket::open();
    EXPECT_EQ(pair.error, 0);
    stats[id] = std::make_shared<MediaSocketStats>();
    set.add(std::make_unique<MediaSocket>(id, pair.ours, stats[id]));
    return pair.theirs;
  }
  void onMediaSocketFailed(uint32_t id, MediaFault fault) override { failed.push_back({id, fault}); }

  /** One turn of the thread. @returns whether there may be more */
  bool turn() {
    std::vector<pollfd> polled;
    set.appendTo(polled);
    poll(polled.data(), static_cast<nfds_t>(polled.size()), 0);
    set.noteReadable(polled.data());
    return set.read(core, nowUs);
  }

  std::map<uint32_t, std::shared_ptr<MediaSocketStats>> stats;
  std::vector<std::pair<uint32_t, MediaFault>> failed;
  MediaSocketSet set{*this};
};

bool writeAll(int fd, Bytes bytes) {
  return write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
}

/** Until the kernel takes no more. @returns bytes */
size_t writeUntilFull(int fd, Bytes bytes) {
  fcntl(fd, F_SETFL, O_NONBLOCK);
  size_t total = 0;
  for (;;) {
    const ssize_t written =
        write(fd, bytes.data() + total % bytes.size(), bytes.size() - total % bytes.size());
    if (written <= 0) {
      return total;
    }
    total += static_cast<size_t>(written);
  }
}

}  // namespace

TEST("a frame is handed on in the turn in which its last byte is read") {
  SocketBench bench;
  const int fd = bench.open(9);
  bench.createVideo();
  bench.set.find(9)->ingress().bind(0, Bench::kVideo);
  const auto frame = mediaFrame(0, true);
  EXPECT(writeAll(fd, Bytes(frame).first(700)));
  EXPECT(!bench.turn());
  EXPECT_EQ(bench.stats[9]->slots[0].frames, 0);
  EXPECT(writeAll(fd, Bytes(frame).subspan(700)));
  EXPECT(!bench.turn());
  EXPECT_EQ(bench.stats[9]->slots[0].frames, 1);
  close(fd);
}

TEST("a socket that is written to without end takes a bounded part of each turn from the others") {
  SocketBench bench;
  const int flooding = bench.open(1);
  const int other = bench.open(2);
  bench.createVideo();
  bench.set.find(1)->ingress().bind(0, Bench::kVideo);
  bench.set.find(2)->ingress().bind(0, Bench::kVideo);
  const auto frame = mediaFrame(0, true);
  const auto& flood = bench.stats[1]->slots[0];
  for (uint64_t i = 1; i <= 10; i += 1) {
    EXPECT(writeUntilFull(flooding, frame) > 0);
    EXPECT(writeAll(other, frame));
    const uint64_t before = flood.bytes;
    EXPECT(bench.turn());
    EXPECT(flood.bytes - before <= MediaSocket::kBytesPerTurn);
    EXPECT_EQ(bench.stats[2]->slots[0].frames, i);
    bench.nowUs += 1'000'000;
  }
  EXPECT_EQ(bench.failed.size(), 0);
  // Without the pauses it is a flood.
  for (int i = 0; i < 1000 && bench.failed.empty(); i += 1) {
    writeUntilFull(flooding, frame);
    (void)bench.turn();
  }
  EXPECT_EQ(bench.failed.size(), 1);
  EXPECT_EQ(bench.failed[0].first, 1);
  EXPECT(bench.failed[0].second == MediaFault::kFlooded);
  EXPECT(bench.set.find(1) == nullptr);
  EXPECT(writeAll(other, frame));
  (void)bench.turn();
  EXPECT_EQ(bench.stats[2]->slots[0].frames, 11);
  close(flooding);
  close(other);
}

TEST("an end that is closed in the middle of a frame is told once, after the frames before it") {
  SocketBench bench;
  const int fd = bench.open(5);
  bench.createVideo();
  bench.set.find(5)->ingress().bind(0, Bench::kVideo);
  const auto frame = mediaFrame(0, true);
  EXPECT(writeAll(fd, frame));
  EXPECT(writeAll(fd, Bytes(frame).first(500)));
  close(fd);
  for (int i = 0; i < 5; i += 1) {
    (void)bench.turn();
  }
  EXPECT_EQ(bench.stats[5]->slots[0].frames, 1);
  EXPECT_EQ(bench.failed.size(), 1);
  EXPECT(bench.failed[0].second == MediaFault::kClosed);
}

TEST("after a malformed frame nothing is read, and the writer is told by its own socket") {
  SocketBench bench;
  const int fd = bench.open(5);
  bench.createVideo();
  bench.set.find(5)->ingress().bind(0, Bench::kVideo);
  EXPECT(writeAll(fd, mediaFrame(MediaSocketStats::kSlots, true)));
  EXPECT(writeAll(fd, mediaFrame(0, true)));
  (void)bench.turn();
  (void)bench.turn();
  EXPECT_EQ(bench.failed.size(), 1);
  EXPECT(bench.failed[0].second == MediaFault::kMalformed);
  EXPECT_EQ(bench.stats[5]->slots[0].frames, 0);
  const uint8_t byte = 0;
  EXPECT(send(fd, &byte, 1, MSG_NOSIGNAL) < 0);
  EXPECT_EQ(errno, EPIPE);
  close(fd);
}

TEST("a socket that is closed here says nothing any more, and descriptors that come along do not stay open") {
  const int before = dup(0);
  close(before);
  {
    SocketBench bench;
    const int fd = bench.open(5);
    // A descriptor beside the first byte of a frame.
    const auto frame = mediaFrame(0, true);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec part{const_cast<uint8_t*>(frame.data()), frame.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int sent = 0;
    std::memcpy(CMSG_DATA(header), &sent, sizeof sent);
    EXPECT_EQ(sendmsg(fd, &message, 0), frame.size());
    (void)bench.turn();
    EXPECT_EQ(bench.stats[5]->slots[0].dropped, 1);
    bench.set.close(5);
    bench.set.close(5);
    close(fd);
    (void)bench.turn();
    EXPECT_EQ(bench.failed.size(), 0);
  }
  const int after = dup(0);
  close(after);
  EXPECT_EQ(after, before);
}

}  // namespace streamkit::test
