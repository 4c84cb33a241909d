#include "core/stream_deframer.h"

#include "test.h"

namespace streamkit::test {
namespace {

using Packets = std::vector<std::vector<uint8_t>>;

/** Reads the stream in pieces of those sizes. @param isRead is set to whether all of it could be read */
Packets readIn(const std::vector<size_t>& pieces, std::vector<uint8_t> stream, bool& isRead) {
  StreamDeframer deframer(300);
  Packets packets;
  size_t at = 0;
  isRead = true;
  for (const size_t piece : pieces) {
    const size_t bytes = std::min(piece, stream.size() - at);
    isRead = isRead && deframer.read(MutableBytes(stream).subspan(at, bytes), [&](MutableBytes packet) {
      packets.emplace_back(packet.begin(), packet.end());
      return true;
    });
    at += bytes;
  }
  return packets;
}

std::vector<uint8_t> streamOf(const Packets& packets) {
  std::vector<uint8_t> stream;
  for (const auto& packet : packets) {
    stream.push_back(static_cast<uint8_t>(packet.size() >> 8));
    stream.push_back(static_cast<uint8_t>(packet.size()));
    stream.insert(stream.end(), packet.begin(), packet.end());
  }
  return stream;
}

}  // namespace

TEST("packets in a stream are found wherever it is split") {
  const Packets packets{{1, 2, 3}, std::vector<uint8_t>(300, 7), {9}};
  const std::vector<uint8_t> stream = streamOf(packets);
  bool isRead = false;
  for (size_t first = 0; first <= stream.size(); first += 1) {
    EXPECT(readIn({first, stream.size()}, stream, isRead) == packets);
    EXPECT(isRead);
  }
  for (size_t piece = 1; piece <= 9; piece += 1) {
    EXPECT(readIn(std::vector<size_t>(stream.size(), piece), stream, isRead) == packets);
    EXPECT(isRead);
  }
}

TEST("empty packets in a stream are passed over") {
  const Packets packets{{}, {1}, {}, {}, {2}};
  const std::vector<uint8_t> stream = streamOf(packets);
  bool isRead = false;
  for (size_t piece = 1; piece <= stream.size(); piece += 1) {
    EXPECT(readIn(std::vector<size_t>(stream.size(), piece), stream, isRead) == (Packets{{1}, {2}}));
    EXPECT(isRead);
  }
}

TEST("a stream with a packet that is too long is not read any further") {
  std::vector<uint8_t> stream = streamOf({{5}});
  stream.insert(stream.end(), {1, 45, 1, 2, 3});
  bool isRead = true;
  for (size_t first = 0; first <= stream.size(); first += 1) {
    EXPECT(readIn({first, stream.size()}, stream, isRead) == (Packets{{5}}));
    EXPECT(!isRead);
  }
}

TEST("a callback that has seen enough ends the reading of a stream") {
  std::vector<uint8_t> stream = streamOf({{1}, {2}});
  StreamDeframer deframer(10);
  size_t packets = 0;
  EXPECT(!deframer.read(stream, [&](MutableBytes) {
    packets += 1;
    return false;
  }));
  EXPECT_EQ(packets, 1);
}

}  // namespace streamkit::test
