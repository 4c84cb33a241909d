#include "rtcp_reporter.h"

#include <algorithm>
#include <cstring>

#include "byte_order.h"

namespace bench {

namespace {

constexpr uint8_t kVersion = 0x80;
constexpr uint8_t kReceiverReport = 201;
constexpr uint8_t kSourceDescription = 202;
constexpr uint8_t kTransportFeedback = 205;
constexpr uint8_t kPayloadFeedback = 206;
constexpr uint8_t kNackFormat = 1;
constexpr uint8_t kTransportWideFormat = 15;
constexpr uint8_t kPliFormat = 1;
constexpr uint32_t kMaxCumulativeLost = 0x7FFFFF;

/** Length in words less one (RFC 3550 section 6.4.1); the packet is padded to words by its writer. */
void writeHeader(uint8_t* at, uint8_t format, uint8_t type, size_t bytes) {
  at[0] = kVersion | format;
  at[1] = type;
  writeU16(at + 2, static_cast<uint32_t>(bytes / 4 - 1));
}

}  // namespace

std::vector<uint8_t> buildReceiverReport(uint32_t sender, const std::vector<ReportedStream>& streams,
                                         int64_t nowUs) {
  const size_t reportBytes = 8 + 24 * streams.size();
  std::vector<uint8_t> out(reportBytes + 16);
  writeHeader(out.data(), static_cast<uint8_t>(streams.size()), kReceiverReport, reportBytes);
  writeU32(&out[4], sender);
  uint8_t* block = &out[8];
  for (const auto& [ssrc, log, last] : streams) {
    writeU32(block, ssrc);
    writeU32(block + 4, static_cast<uint32_t>(std::min<uint64_t>(log->lostEver(), kMaxCumulativeLost)));
    block[4] = log->takeFractionLost();
    writeU32(block + 8, static_cast<uint32_t>(log->highest() - (1 << 16)));
    writeU32(block + 12, 0);
    writeU32(block + 16, last->middleNtp);
    writeU32(block + 20, last->middleNtp == 0
                             ? 0
                             : static_cast<uint32_t>((nowUs - last->arrivedUs) * 65'536 / 1'000'000));
    block += 24;
  }
  // One chunk: SSRC, CNAME of 4 characters, end and padding.
  writeHeader(block, 1, kSourceDescription, 16);
  writeU32(block + 4, sender);
  block[8] = 1;
  block[9] = 4;
  std::memcpy(block + 10, "load", 4);
  return out;
}

std::vector<uint8_t> buildNack(uint32_t sender, uint32_t ssrc, const std::vector<uint16_t>& missing) {
  std::vector<uint8_t> out(12);
  size_t i = 0;
  while (i < missing.size()) {
    const uint16_t first = missing[i];
    uint16_t mask = 0;
    for (i++; i < missing.size(); i++) {
      const auto after = static_cast<uint16_t>(missing[i] - first);
      if (after == 0 || after > 16)
        break;
      mask = static_cast<uint16_t>(mask | 1 << (after - 1));
    }
    out.resize(out.size() + 4);
    writeU16(&out[out.size() - 4], first);
    writeU16(&out[out.size() - 2], mask);
  }
  writeHeader(out.data(), kNackFormat, kTransportFeedback, out.size());
  writeU32(&out[4], sender);
  writeU32(&out[8], ssrc);
  return out;
}

std::vector<uint8_t> buildPli(uint32_t sender, uint32_t ssrc) {
  std::vector<uint8_t> out(12);
  writeHeader(out.data(), kPliFormat, kPayloadFeedback, out.size());
  writeU32(&out[4], sender);
  writeU32(&out[8], ssrc);
  return out;
}

void TransportFeedback::note(uint16_t sequence, int64_t arrivedUs) {
  if (arrivals_.empty())
    base_ = sequence;
  const auto offset = static_cast<uint16_t>(sequence - base_);
  // One that was overtaken by the last feedback is left out, as a receiver may.
  if (offset >= kMaxPackets || arrivals_.size() >= kMaxPackets)
    return;
  arrivals_.push_back({offset, arrivedUs});
}

std::vector<uint8_t> TransportFeedback::take(uint32_t sender, uint32_t ssrc) {
  std::sort(arrivals_.begin(), arrivals_.end(),
            [](const Arrival& a, const Arrival& b) { return a.offset < b.offset; });
  constexpr int64_t kReferenceUs = 64'000;
  constexpr int64_t kDeltaUs = 250;
  const int64_t reference = arrivals_.front().arrivedUs / kReferenceUs;
  std::vector<uint8_t> deltas;
  std::vector<uint8_t> chunks;
  uint32_t runSymbol = 0;
  uint32_t runLength = 0;
  const auto endRun = [&] {
    if (runLength == 0)
      return;
    chunks.resize(chunks.size() + 2);
    writeU16(&chunks[chunks.size() - 2], runSymbol << 13 | runLength);
    runLength = 0;
  };
  const auto addSymbols = [&](uint32_t symbol, uint32_t count) {
    if (symbol != runSymbol)
      endRun();
    runSymbol = symbol;
    runLength += count;
  };
  int64_t clock = reference * kReferenceUs / kDeltaUs;
  uint32_t next = 0;
  for (const auto& [offset, arrivedUs] : arrivals_) {
    if (offset < next)
      continue;
    if (offset > next)
      addSymbols(0, offset - next);
    const int64_t delta = arrivedUs / kDeltaUs - clock;
    clock += delta;
    if (delta >= 0 && delta <= 255) {
      addSymbols(1, 1);
      deltas.push_back(static_cast<uint8_t>(delta));
    } else {
      addSymbols(2, 1);
      deltas.resize(deltas.size() + 2);
      writeU16(&deltas[deltas.size() - 2], static_cast<uint16_t>(delta));
    }
    next = offset + 1U;
  }
  endRun();
  std::vector<uint8_t> out(20);
  writeU16(&out[12], base_);
  writeU16(&out[14], next);
  writeU32(&out[16], static_cast<uint32_t>(reference & 0xFFFFFF) << 8 | count_++);
  out.insert(out.end(), chunks.begin(), chunks.end());
  out.insert(out.end(), deltas.begin(), deltas.end());
  const size_t padding = (4 - out.size() % 4) % 4;
  out.resize(out.size() + padding);
  writeHeader(out.data(), kTransportWideFormat, kTransportFeedback, out.size());
  if (padding > 0) {
    out[0] |= 0x20;
    out.back() = static_cast<uint8_t>(padding);
  }
  writeU32(&out[4], sender);
  writeU32(&out[8], ssrc);
  arrivals_.clear();
  return out;
}

}  // namespace bench
