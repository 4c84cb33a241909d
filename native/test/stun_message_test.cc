#include "core/stun_message.h"

#include "stun_message_builder.h"
#include "test.h"

namespace streamkit::test {
namespace {

const std::string kPassword = "VOkJxbRl1RmTxUk/WvJxBt";
/** RFC 5769 section 2.1. */
const auto kRequest = fromHex(
    "00010058 2112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74 00240004 6e0001ff"
    "80290008 932ff9b151263b36 00060009 6576746a3a68367659202020 00080014 "
    "9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004 e57a3bcf");
/** RFC 5769 section 2.2. */
const auto kResponse = fromHex(
    "0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200008 0001a147e112a643"
    "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96");

}  // namespace

TEST("the request of RFC 5769 2.1 is read and is authentic") {
  const auto message = StunMessage::parse(kRequest);
  EXPECT(message.has_value());
  EXPECT(message->messageClass() == StunClass::kRequest);
  EXPECT(message->isBinding());
  EXPECT(message->username() == "evtj:h6vY");
  EXPECT(!message->useCandidate());
  EXPECT(message->integrityMatches(kPassword));
  EXPECT(!message->integrityMatches("VOkJxbRl1RmTxUk/WvJxBT"));
  EXPECT(!message->integrityMatches(""));
}

TEST("the response of RFC 5769 2.2 is read and is authentic") {
  const auto message = StunMessage::parse(kResponse);
  EXPECT(message.has_value());
  EXPECT(message->messageClass() == StunClass::kSuccess);
  EXPECT(message->integrityMatches(kPassword));
}

TEST("no changed bit and no shortened form of the RFC 5769 messages passes as authentic") {
  for (const auto& original : {kRequest, kResponse}) {
    // With another type the fingerprint is an unknown attribute, which nobody minds after the integrity.
    const size_t fingerprint = original.size() - 8;
    for (size_t bit = 0; bit < original.size() * 8; bit += 1) {
      if (bit / 8 == fingerprint || bit / 8 == fingerprint + 1) {
        continue;
      }
      auto changed = original;
      changed[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      const auto message = StunMessage::parse(changed);
      EXPECT(!message.has_value() || !message->integrityMatches(kPassword));
    }
    for (size_t length = 0; length < original.size(); length += 1) {
      EXPECT(!StunMessage::parse(Bytes(original).first(length)).has_value());
    }
  }
}

TEST("what the builder makes is read again") {
  const StunTransactionId id{1, 2, 3};
  StunMessageBuilder builder(StunClass::kRequest, id);
  builder.username("ours:theirs").useCandidate().integrity("secret").fingerprint();
  const auto message = StunMessage::parse(builder.bytes());
  EXPECT(message.has_value());
  EXPECT(message->transactionId() == id);
  EXPECT(message->username() == "ours:theirs");
  EXPECT(message->useCandidate());
  EXPECT(message->integrityMatches("secret"));
}

TEST("an attribute after the integrity is not believed") {
  StunMessageBuilder builder(StunClass::kRequest, {});
  builder.username("ours:theirs").integrity("secret").useCandidate();
  const auto message = StunMessage::parse(builder.bytes());
  EXPECT(message.has_value() && message->integrityMatches("secret") && !message->useCandidate());
}

TEST("classes are told apart") {
  for (const StunClass each :
       {StunClass::kRequest, StunClass::kIndication, StunClass::kSuccess, StunClass::kError}) {
    const auto message = StunMessage::parse(StunMessageBuilder(each, {}).bytes());
    EXPECT(message.has_value() && message->messageClass() == each && message->isBinding());
  }
}

}  // namespace streamkit::test
