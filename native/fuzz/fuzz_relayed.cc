#include <algorithm>
#include <vector>

#include "core/turn_deframer.h"

using namespace streamkit;

namespace {

/** What is found in a stream. */
struct Found {
  std::vector<std::vector<uint8_t>> messages;
  /** It is one of TURN to its end. */
  bool isRead = true;
  bool operator==(const Found& other) const = default;
};

/** @param piece bytes that arrive at once */
Found readIn(size_t piece, std::vector<uint8_t> stream) {
  Found found;
  TurnDeframer deframer;
  for (MutableBytes rest(stream); found.isRead && !rest.empty();) {
    const MutableBytes next = rest.first(std::min(piece, rest.size()));
    rest = rest.subspan(next.size());
    found.isRead = deframer.read(next, [&](MutableBytes message) {
      found.messages.emplace_back(message.begin(), message.end());
      return true;
    });
  }
  return found;
}

void parse(MutableBytes datagram) {
  const auto check = [&](MutableBytes relayed) {
    if (relayed.size() > datagram.size()) {
      __builtin_trap();
    }
    // It may be written to.
    for (uint8_t& byte : relayed) {
      byte ^= 1;
    }
  };
  if (const auto relayed = ChannelData::parse(datagram)) {
    check(relayed->data);
  }
  if (const auto relayed = DataIndication::parse(datagram)) {
    check(relayed->data);
    (void)relayed->peer.text();
  }
}

}  // namespace

/** What a TURN server sends, as a datagram and as a stream: the first byte says in which pieces. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) {
    return 0;
  }
  std::vector<uint8_t> bytes(data + 1, data + size);
  Found found = readIn(size_t{data[0]} + 1, bytes);
  if (found != readIn(bytes.size(), bytes)) {
    __builtin_trap();
  }
  for (std::vector<uint8_t>& message : found.messages) {
    parse(message);
  }
  parse(bytes);
  return 0;
}
