#include <algorithm>
#include <optional>

#include "payload_frame.h"
#include "test.h"
#include "virtual_network.h"

// What is left to be concealed of sound whose packets are lost, for a player that reads RED by itself.

namespace streamkit::test {
namespace {

constexpr uint32_t kTicks = 960;
constexpr int64_t kPacketUs = 20'000;
/** A constrained VBR of 128 kbit/s: 320 bytes on average, and now and then three of the largest that fit
 * together into one datagram. */
constexpr uint32_t bytesOf(uint32_t number) {
  return number % 10 < 3 ? 375 : 300;
}

struct Block {
  uint32_t timestamp;
  Bytes payload;
};

/** RFC 2198 section 3, read anew. Nothing where a length does not fit. */
std::optional<std::vector<Block>> parseRed(uint32_t timestamp, Bytes bytes) {
  std::vector<std::pair<uint32_t, size_t>> headers;
  while (!bytes.empty() && (bytes[0] & 0x80) != 0) {
    if (bytes.size() < 4) {
      return std::nullopt;
    }
    const uint32_t offset = (bytes[1] << 8 | bytes[2]) >> 2;
    const size_t length = (bytes[2] & 3u) << 8 | bytes[3];
    headers.emplace_back(offset, length);
    bytes = bytes.subspan(4);
  }
  if (bytes.empty()) {
    return std::nullopt;
  }
  bytes = bytes.subspan(1);
  std::vector<Block> blocks;
  for (const auto& [offset, length] : headers) {
    if (length > bytes.size()) {
      return std::nullopt;
    }
    blocks.push_back({timestamp - offset, bytes.first(length)});
    bytes = bytes.subspan(length);
  }
  blocks.push_back({timestamp, bytes});
  return blocks;
}

struct Heard {
  size_t missing = 0;
  size_t wrong = 0;
  /** How many packets carry so many blocks. */
  std::array<size_t, 3> blocks{};
  size_t longest = 0;
};

/** @param holdMs for which the player holds sound back */
Heard listen(uint32_t seed, double loss, uint32_t packets, int64_t holdMs) {
  Bench bench(seed);
  bench.connect();
  bench.createAudio();
  bench.consumeAudio();
  auto report = fromHex("81c90007 00000001 00002000 00000000 00010002 00000384 00000000 00000000");
  report[12] = static_cast<uint8_t>(loss * 256);
  bench.sendRtcp(report);
  bench.network.setLoss(loss);
  Heard heard;
  std::vector<bool> isThere(packets, false);
  std::vector<int64_t> playedUs(packets);
  for (uint32_t number = 0; number < packets; number += 1) {
    EncodedFrame frame = payloadFrame(1, bytesOf(number));
    std::fill_n(frame.bytes.get(), bytesOf(number), static_cast<uint8_t>(number));
    frame.rtpTimestamp = number * kTicks;
    playedUs[number] = bench.nowUs + VirtualNetwork::kDelayUs + holdMs * 1000;
    bench.core.sendFrame(Bench::kAudio, std::move(frame), false, bench.nowUs);
    bench.run(kPacketUs);
    if (number % 50 == 0) {
      bench.sendRtcp(report);
    }
    for (const ReceivedRtp& packet : bench.received[Bench::kAudioSsrc]) {
      const bool isRed = packet.view.payloadType == Bench::kRedPayloadType;
      const auto blocks =
          isRed ? parseRed(packet.view.rtpTimestamp, packet.view.payload)
                : std::optional(std::vector{Block{packet.view.rtpTimestamp, packet.view.payload}});
      if (!blocks.has_value() || blocks->size() > heard.blocks.size()) {
        heard.wrong += 1;
        continue;
      }
      heard.blocks[blocks->size() - 1] += 1;
      heard.longest = std::max(heard.longest, packet.bytes.size());
      for (const Block& block : *blocks) {
        const uint32_t of = block.timestamp / kTicks;
        if (block.timestamp % kTicks != 0 || of >= packets || block.payload.size() != bytesOf(of) ||
            std::any_of(block.payload.begin(), block.payload.end(),
                        [of](uint8_t byte) { return byte != static_cast<uint8_t>(of); })) {
          heard.wrong += 1;
        } else if (packet.arrivedUs <= playedUs[of]) {
          isThere[of] = true;
        }
      }
    }
    bench.received[Bench::kAudioSsrc].clear();
  }
  // The last ones are still under way, or may be restored.
  heard.missing = static_cast<size_t>(std::count(isThere.begin(), isThere.end() - 10, false));
  return heard;
}

}  // namespace

TEST("of sound that is held back for 60 ms, 5 % loss leaves less than 0.05 % to conceal, and 10 % 0.2 %") {
  constexpr uint32_t kPackets = 10'000;
  size_t missing5 = 0;
  size_t missing10 = 0;
  for (uint32_t seed = 1; seed <= 4; seed += 1) {
    const Heard heard = listen(seed, 0.05, kPackets, 60);
    EXPECT_EQ(heard.wrong, 0);
    // The second repetition is what covers two losses in a row: all but the largest packets have it.
    EXPECT(heard.blocks[2] > kPackets * 94 / 100);
    EXPECT(heard.longest <= 1'200);
    missing5 += heard.missing;
    missing10 += listen(seed, 0.1, kPackets, 60).missing;
  }
  EXPECT(missing5 <= 4 * kPackets * 5 / 10'000);
  EXPECT(missing10 <= 4 * kPackets * 20 / 10'000);
}

TEST("what is held back for no longer than a packet takes gains little from the second repetition") {
  const Heard heard = listen(1, 0.05, 10'000, 35);
  EXPECT_EQ(heard.wrong, 0);
  EXPECT(heard.missing > 10);
}

}  // namespace streamkit::test
