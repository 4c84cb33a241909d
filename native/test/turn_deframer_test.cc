#include "core/turn_deframer.h"

#include "stun_message_builder.h"
#include "test.h"
#include "turn_message.h"

namespace streamkit::test {

TEST("messages of a TURN server are found in a stream wherever it is split") {
  const auto request = StunMessageBuilder(StunClass::kRequest, {1}).bytes();
  auto odd = channelData(0x4000, std::vector<uint8_t>{1, 2, 3, 4, 5});
  odd.resize(12);
  const std::vector<std::vector<uint8_t>> messages{
      request, odd, channelData(0x4001, {}), odd, channelData(0x4fff, std::vector<uint8_t>(0x10000 - 4, 7)),
      request};
  std::vector<uint8_t> stream;
  for (const auto& message : messages) {
    stream.insert(stream.end(), message.begin(), message.end());
  }
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{4}, size_t{5}, size_t{1000}, stream.size()}) {
    TurnDeframer deframer;
    std::vector<std::vector<uint8_t>> found;
    for (size_t at = 0; at < stream.size(); at += piece) {
      EXPECT(
          deframer.read(MutableBytes(stream).subspan(at, std::min(piece, stream.size() - at)),
                        [&](MutableBytes message) { found.emplace_back(message.begin(), message.end()); }));
    }
    EXPECT(found == messages);
  }
}

TEST("a stream that is none of a TURN server is read no further") {
  for (const char* const stream : {"5353482d", "80000000", "00010001 2112a442", "04010000", "50000000"}) {
    TurnDeframer deframer;
    auto bytes = fromHex(stream);
    size_t found = 0;
    EXPECT(!deframer.read(bytes, [&](MutableBytes) { found += 1; }));
    EXPECT_EQ(found, 0);
  }
}

}  // namespace streamkit::test
