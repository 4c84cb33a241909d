#include "core/turn_deframer.h"

#include "stun_message_builder.h"
#include "test.h"
#include "turn_message.h"

namespace streamkit::test {
namespace {

using Messages = std::vector<std::vector<uint8_t>>;

std::vector<uint8_t> streamOf(const Messages& messages) {
  std::vector<uint8_t> stream;
  for (const auto& message : messages) {
    stream.insert(stream.end(), message.begin(), message.end());
  }
  return stream;
}

/** In the stream, in pieces of several sizes. */
void expectMessages(std::vector<uint8_t> stream, const Messages& messages) {
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{4}, size_t{5}, size_t{1000}, stream.size()}) {
    TurnDeframer deframer;
    Messages found;
    for (size_t at = 0; at < stream.size(); at += piece) {
      EXPECT(deframer.read(MutableBytes(stream).subspan(at, std::min(piece, stream.size() - at)),
                           [&](MutableBytes message) {
                             found.emplace_back(message.begin(), message.end());
                             return true;
                           }));
    }
    EXPECT(found == messages);
  }
}

}  // namespace

TEST("messages of a TURN server are found in a stream wherever it is split") {
  const auto request = StunMessageBuilder(StunClass::kRequest, {1}).bytes();
  auto odd = channelData(0x4000, std::vector<uint8_t>{1, 2, 3, 4, 5});
  odd.resize(12);
  const Messages messages{
      request, odd, channelData(0x4001, {}), odd, channelData(0x4fff, std::vector<uint8_t>(2044, 7)),
      request};
  expectMessages(streamOf(messages), messages);
}

TEST("messages in a stream that are too long for a datagram are passed over") {
  const auto request = StunMessageBuilder(StunClass::kRequest, {1}).bytes();
  auto longest = fromHex("0101ffe8");
  longest.resize(20 + 0xffe8);
  expectMessages(streamOf({request, channelData(0x4000, std::vector<uint8_t>(2048, 7)), request,
                           channelData(0x4fff, std::vector<uint8_t>(0x10000 - 4, 7)), longest, request}),
                 {request, request, request});
}

TEST("whole messages in a stream are not copied") {
  const auto message = channelData(0x4000, std::vector<uint8_t>{1, 2, 3, 4});
  auto stream = streamOf({message, message, message});
  TurnDeframer deframer;
  std::vector<uint8_t*> found;
  EXPECT(deframer.read(stream, [&](MutableBytes each) {
    found.push_back(each.data());
    return true;
  }));
  EXPECT(found == (std::vector<uint8_t*>{&stream[0], &stream[8], &stream[16]}));
}

TEST("a stream that is not TURN is read no further") {
  for (const char* const stream : {"5353482d", "80000000", "00010001 2112a442", "04010000", "50000000"}) {
    TurnDeframer deframer;
    auto bytes = fromHex(stream);
    size_t found = 0;
    EXPECT(!deframer.read(bytes, [&](MutableBytes) {
      found += 1;
      return true;
    }));
    EXPECT_EQ(found, 0);
  }
}

}  // namespace streamkit::test
