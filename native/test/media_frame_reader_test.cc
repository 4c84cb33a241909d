#include "core/media_frame_reader.h"

#include <cstring>

#include "media_frame_builder.h"
#include "test.h"

namespace streamkit::test {
namespace {

using Result = MediaFrameReader::Result;

/** Feeds pieces of at most that many bytes, up to the first frame or fault. @returns it and what was read */
std::pair<Result, size_t> feed(MediaFrameReader& reader, Bytes bytes, size_t piece) {
  size_t at = 0;
  while (at < bytes.size()) {
    const MutableBytes space = reader.space();
    EXPECT(!space.empty());
    const size_t size = std::min({space.size(), piece, bytes.size() - at});
    std::memcpy(space.data(), bytes.data() + at, size);
    at += size;
    const Result result = reader.advance(size);
    if (result != Result::kIncomplete) {
      return {result, at};
    }
  }
  return {Result::kIncomplete, at};
}

Result resultOf(const MediaFrameBuilder& frame) {
  MediaFrameReader reader;
  return feed(reader, frame.bytes(), SIZE_MAX).first;
}

MediaFrameBuilder wellFormed() {
  MediaFrameBuilder frame;
  frame.lengths = {3, 1, 2};
  return frame;
}

}  // namespace

TEST("a frame is read whole from single bytes, and so is the next one") {
  MediaFrameBuilder frame;
  frame.slot = 15;
  frame.flags = 3;
  frame.temporalId = 2;
  frame.rtpTimestamp = 0xfedcba98;
  frame.captureTimeUs = 0x1f'2345'6789'abcd;
  frame.lengths = {1, 1380, 700};
  const auto bytes = frame.bytes();
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}, bytes.size()}) {
    MediaFrameReader reader;
    for (int repeat = 0; repeat < 2; repeat += 1) {
      const auto [result, read] = feed(reader, bytes, piece);
      EXPECT(result == Result::kFrame);
      EXPECT_EQ(read, bytes.size());
      EXPECT_EQ(reader.slot(), 15);
      const EncodedFrame got = reader.take();
      EXPECT(got.keyframe && got.discardable);
      EXPECT_EQ(got.temporalId, 2);
      EXPECT_EQ(got.rtpTimestamp, 0xfedcba98);
      EXPECT_EQ(got.captureTimeUs, 0x1f'2345'6789'abcd);
      EXPECT_EQ(got.payloadCount(), 3);
      EXPECT_EQ(got.payload(0).size(), 1);
      EXPECT_EQ(got.payload(1).size(), 1380);
      EXPECT_EQ(got.payload(2).size(), 700);
      EXPECT(std::memcmp(got.bytes.get(), bytes.data() + bytes.size() - 2081, 2081) == 0);
    }
  }
}

TEST("the largest frame is read, and one that is larger by a byte or a payload is refused") {
  MediaFrameBuilder largest;
  largest.lengths.assign(3030, 1380);
  const size_t rest =
      MediaFrameReader::kMaxFrameBytes - MediaFrameReader::kHeaderBytes - 3031 * 4 - 3030 * 1380;
  largest.lengths.push_back(static_cast<uint32_t>(rest));
  EXPECT_EQ(largest.bytes().size(), MediaFrameReader::kMaxFrameBytes);
  EXPECT(resultOf(largest) == Result::kFrame);
  largest.lengths.back() += 1;
  EXPECT(resultOf(largest) == Result::kOversized);
  MediaFrameBuilder many;
  many.lengths.assign(MediaFrameReader::kMaxPayloads, 1);
  EXPECT(resultOf(many) == Result::kFrame);
  many.lengths.push_back(1);
  EXPECT(resultOf(many) == Result::kOversized);
  MediaFrameBuilder longPayload = wellFormed();
  longPayload.lengths[1] = kMaxPayloadBytes;
  EXPECT(resultOf(longPayload) == Result::kFrame);
  longPayload.lengths[1] += 1;
  EXPECT(resultOf(longPayload) == Result::kOversized);
}

TEST("each field that is not as it must be is refused") {
  const auto refused = [](auto&& change) {
    MediaFrameBuilder frame = wellFormed();
    change(frame);
    return resultOf(frame) == Result::kMalformed;
  };
  EXPECT(resultOf(wellFormed()) == Result::kFrame);
  EXPECT(refused([](auto& frame) { frame.version = 0; }));
  EXPECT(refused([](auto& frame) { frame.version = 2; }));
  EXPECT(refused([](auto& frame) { frame.slot = MediaSocketStats::kSlots; }));
  EXPECT(refused([](auto& frame) { frame.flags = 4; }));
  EXPECT(refused([](auto& frame) { frame.temporalId = 8; }));
  EXPECT(refused([](auto& frame) { frame.captureTimeUs = -1; }));
  EXPECT(refused([](auto& frame) { frame.captureTimeUs = INT64_MAX; }));
  EXPECT(refused([](auto& frame) { frame.reserved = uint64_t{1} << 63; }));
  EXPECT(refused([](auto& frame) { frame.lengths = {}; }));
  EXPECT(refused([](auto& frame) { frame.lengths[0] = 0; }));
  EXPECT(refused([](auto& frame) { frame.totalError = 1; }));
  EXPECT(refused([](auto& frame) { frame.totalError = -1; }));
  EXPECT(refused([](auto& frame) { frame.countError = -1; }));
  // Below the header's own length, and below what so many payloads take at least.
  EXPECT(refused([](auto& frame) { frame.totalError = -static_cast<int32_t>(frame.bytes().size()); }));
  EXPECT(refused([](auto& frame) { frame.countError = 100; }));
}

TEST("a header that promises the most costs no memory for the frame until its lengths are there") {
  MediaFrameBuilder frame;
  frame.lengths.assign(3000, 1380);
  MediaFrameReader reader;
  const auto bytes = frame.bytes();
  (void)feed(reader, Bytes(bytes).first(MediaFrameReader::kHeaderBytes), SIZE_MAX);
  EXPECT_EQ(reader.space().size(), 3000 * 4);
}

}  // namespace streamkit::test
