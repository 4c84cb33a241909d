#include "simulated_player.h"

#include <algorithm>

#include "core/sequence_number.h"
#include "rtp_extension.h"
#include "test.h"

namespace streamkit::test {
namespace {

constexpr uint8_t kTransportSequenceId = 2;
constexpr uint8_t kPlayoutDelayId = 3;
constexpr int64_t kPackets = 192;
constexpr size_t kRepairs = 48;
constexpr int64_t kRefreshUs = 16'667;
/** Decoding, and until the screen is drawn. */
constexpr int64_t kDecodeUs = 5'000;
constexpr int64_t kLeastDelayUs = 15'000;
constexpr int64_t kGiveUpUs = 1'000'000;

}  // namespace

std::vector<uint8_t> SimulatedPlayer::withoutTransportSequence(Bytes packet) {
  std::vector<uint8_t> copy(packet.begin(), packet.end());
  const Bytes element = extensionElement(*RtpPacketView::parse(copy), kTransportSequenceId);
  std::fill_n(copy.begin() + (element.data() - copy.data()), element.size(), uint8_t{0});
  return copy;
}

std::vector<uint8_t> SimulatedPlayer::packetOf(uint16_t sequenceNumber) const {
  const auto packet = packets_.find(unwrap(sequenceNumber));
  return packet == packets_.end() ? std::vector<uint8_t>{} : packet->second.bytes;
}

int64_t SimulatedPlayer::unwrap(uint16_t sequenceNumber) const {
  return unwrapSequence(sequenceNumber, newest_ < 0 ? 0x10000 + sequenceNumber : newest_);
}

void SimulatedPlayer::onPacket(Bytes packet, int64_t captureUs, int64_t nowUs) {
  const RtpPacketView view = *RtpPacketView::parse(packet);
  if (view.ssrc == kVideoSsrc) {
    insert(unwrap(view.sequenceNumber), withoutTransportSequence(packet), captureUs, false, nowUs);
  } else if (view.ssrc == kRtxSsrc) {
    std::vector<uint8_t> original = withoutTransportSequence(packet);
    const uint16_t sequenceNumber = readU16(&original[view.headerBytes]);
    original.erase(original.begin() + static_cast<std::ptrdiff_t>(view.headerBytes),
                   original.begin() + static_cast<std::ptrdiff_t>(view.headerBytes) + 2);
    insert(unwrap(sequenceNumber), std::move(original), captureUs, false, nowUs);
  } else if (view.ssrc == kFecSsrc) {
    repairs_.emplace_back(view.payload.begin(), view.payload.end());
    if (repairs_.size() > kRepairs) {
      repairs_.erase(repairs_.begin());
    }
  }
  std::erase_if(repairs_, [this](const auto& repair) { return unwrap(readU16(&repair[16])) + 46 < next_; });
  for (const auto& repair : repairs_) {
    restore(repair, nowUs);
  }
  decode(nowUs);
}

void SimulatedPlayer::insert(int64_t sequence, std::vector<uint8_t> bytes, int64_t captureUs, bool isRestored,
                             int64_t nowUs) {
  if (newest_ < 0) {
    newest_ = sequence - 1;
    next_ = sequence;
  }
  missing_.erase(sequence);
  packets_.emplace(sequence, Packet{std::move(bytes), captureUs});
  if (isRestored) {
    return;
  }
  for (int64_t each = newest_ + 1; each < sequence; each += 1) {
    if (!packets_.contains(each)) {
      missing_.emplace(each, nowUs);
      nacks_.push_back(static_cast<uint16_t>(each));
    }
  }
  newest_ = std::max(newest_, sequence);
  packets_.erase(packets_.begin(), packets_.lower_bound(std::min(next_, newest_ - kPackets)));
}

void SimulatedPlayer::restore(Bytes payload, int64_t nowUs) {
  const int64_t first = unwrap(readU16(&payload[16]));
  const uint16_t mask = readU16(&payload[18]);
  const bool isShort = (mask & 0x8000) != 0;
  const size_t headerBytes = isShort ? 20 : 24;
  const uint32_t more = isShort ? 0 : readU32(&payload[20]);
  EXPECT(isShort || (more & 0x80000000) != 0);
  EXPECT_EQ(readU32(&payload[12]), kVideoSsrc);
  std::vector<int64_t> missing;
  std::vector<int64_t> present;
  for (int64_t i = 0; i < 46; i += 1) {
    const bool isCovered = i < 15 ? (mask >> (14 - i) & 1) != 0 : (more >> (45 - i) & 1) != 0;
    if (isCovered) {
      (packets_.contains(first + i) ? present : missing).push_back(first + i);
    }
  }
  if (missing.size() != 1 || missing[0] < next_) {
    return;
  }
  std::vector<uint8_t> whole(12);
  std::copy_n(payload.begin(), 8, whole.begin());
  const Bytes body = payload.subspan(headerBytes);
  whole.insert(whole.end(), body.begin(), body.end());
  auto length = static_cast<uint16_t>(readU16(&payload[2]));
  int64_t captureUs = 0;
  for (const int64_t each : present) {
    const Packet& packet = packets_.at(each);
    captureUs = packet.captureUs;
    length = static_cast<uint16_t>(length ^ (packet.bytes.size() - 12));
    for (const size_t at : {0, 1, 4, 5, 6, 7}) {
      whole[at] ^= packet.bytes[at];
    }
    for (size_t at = 12; at < packet.bytes.size(); at += 1) {
      whole[at] ^= packet.bytes[at];
    }
  }
  EXPECT(whole.size() >= 12u + length);
  whole.resize(12u + length);
  whole[0] = static_cast<uint8_t>(0x80 | (whole[0] & 0x3f));
  writeU16(&whole[2], static_cast<uint16_t>(missing[0]));
  writeU32(&whole[8], kVideoSsrc);
  if (captureUs == 0) {
    // A picture of one packet: its time is in the extension, which the owner of the clock has not read.
    captureUs = nowUs - delayUs_;
  }
  restored += 1;
  insert(missing[0], std::move(whole), captureUs, true, nowUs);
}

void SimulatedPlayer::decode(int64_t nowUs) {
  while (next_ >= 0) {
    auto packet = packets_.find(next_);
    if (packet == packets_.end()) {
      const auto asked = packets_.upper_bound(next_);
      if (asked == packets_.end() || nowUs - asked->second.captureUs < kGiveUpUs) {
        return;
      }
      // Lost for good: a keyframe follows.
      next_ = asked->first;
      continue;
    }
    const auto view = *RtpPacketView::parse(packet->second.bytes);
    next_ += 1;
    if (!view.marker) {
      continue;
    }
    const Bytes playout = extensionElement(view, kPlayoutDelayId);
    const int64_t heldUs = playout.empty() ? 0 : int64_t{readU24(playout.data()) >> 12} * 10'000;
    const int64_t captureUs = packet->second.captureUs;
    const int64_t dueUs = captureUs + delayUs_ + std::max(heldUs, kLeastDelayUs);
    const int64_t readyUs = nowUs + kDecodeUs;
    const int64_t shownUs = (std::max(dueUs, readyUs) + kRefreshUs - 1) / kRefreshUs * kRefreshUs;
    pictures_.push_back({captureUs, shownUs, readyUs <= dueUs});
  }
}

std::vector<uint16_t> SimulatedPlayer::takeRepeatedNacks(int64_t nowUs) {
  missing_.erase(missing_.begin(), missing_.lower_bound(next_));
  std::vector<uint16_t> nacks;
  for (auto& [sequence, askedUs] : missing_) {
    if (nowUs - askedUs >= roundTripUs_) {
      askedUs = nowUs;
      nacks.push_back(static_cast<uint16_t>(sequence));
    }
  }
  return nacks;
}

SimulatedPlayer::Seen SimulatedPlayer::take() {
  Seen seen;
  std::vector<int64_t> agesUs;
  size_t onTime = 0;
  int64_t lastUs = 0;
  for (size_t i = 0; i < pictures_.size(); i += 1) {
    const Picture& picture = pictures_[i];
    onTime += picture.onTime ? 1 : 0;
    if (i + 1 < pictures_.size() && pictures_[i + 1].shownUs <= picture.shownUs) {
      continue;
    }
    agesUs.push_back(picture.shownUs - picture.captureUs);
    seen.longestGapUs = std::max(seen.longestGapUs, lastUs == 0 ? 0 : picture.shownUs - lastUs);
    lastUs = picture.shownUs;
  }
  const auto pictures = static_cast<double>(std::max<size_t>(1, pictures_.size()));
  seen.shown = static_cast<double>(agesUs.size()) / pictures;
  seen.onTime = static_cast<double>(onTime) / pictures;
  std::sort(agesUs.begin(), agesUs.end());
  if (!agesUs.empty()) {
    seen.ageP50Us = agesUs[agesUs.size() / 2];
    seen.ageP95Us = agesUs[agesUs.size() * 95 / 100];
  }
  pictures_.clear();
  return seen;
}

}  // namespace streamkit::test
