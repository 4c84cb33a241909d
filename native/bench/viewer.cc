#include "viewer.h"

#include <openssl/rand.h>

#include <algorithm>
#include <utility>

#include "byte_order.h"

namespace bench {

namespace {

constexpr int64_t kTimerIntervalUs = 10'000;
constexpr size_t kMaxPayloadBytes = 2048;
constexpr size_t kRtpHeaderBytes = 12;
constexpr uint16_t kOneByteProfile = 0xBEDE;
constexpr uint8_t kSenderReport = 200;

// ITU-T H.264 table 7-1, RFC 6184 table 1.
constexpr uint8_t kNalIdr = 5;
constexpr uint8_t kNalSps = 7;
constexpr uint8_t kNalStapA = 24;
constexpr uint8_t kNalFuA = 28;

/** @return bytes of the header with its extensions, or 0 for a packet that is none (RFC 3550 section 5.1). */
size_t rtpHeaderBytes(const uint8_t* data, size_t size) {
  size_t bytes = kRtpHeaderBytes + 4 * static_cast<size_t>(data[0] & 0x0F);
  if ((data[0] & 0x10) != 0) {
    if (size < bytes + 4)
      return 0;
    bytes += 4 + 4 * static_cast<size_t>(readU16(data + bytes + 2));
  }
  return bytes <= size ? bytes : 0;
}

/** @return the value of a two-byte extension element (RFC 8285 section 4.2), or -1. */
int extensionOf(const uint8_t* data, size_t headerBytes, uint8_t id) {
  size_t at = kRtpHeaderBytes + 4 * static_cast<size_t>(data[0] & 0x0F);
  if ((data[0] & 0x10) == 0 || readU16(data + at) != kOneByteProfile)
    return -1;
  at += 4;
  while (at < headerBytes) {
    if (data[at] == 0) {
      at += 1;
      continue;
    }
    const size_t length = (data[at] & 0x0F) + 1U;
    if (at + 1 + length > headerBytes)
      return -1;
    if (data[at] >> 4 == id && length == 2)
      return readU16(data + at + 1);
    at += 1 + length;
  }
  return -1;
}

uint32_t randomSsrc() {
  uint32_t value = 0;
  RAND_bytes(reinterpret_cast<uint8_t*>(&value), sizeof value);
  return value;
}

}  // namespace

Viewer::Viewer(const GeneratorOptions& options, const DtlsContext& context)
    : options_(options),
      socket_(options.address, options.gro, options.receiveBufferBytes),
      ice_([this](const uint8_t* data, size_t size, const sockaddr_in& to) { socket_.send(data, size, to); }),
      dtls_(context, [this](const uint8_t* data, size_t size) { socket_.send(data, size, ice_.remote()); }),
      ownSsrc_(randomSsrc()) {}

void Viewer::setRemote(ViewerParameters parameters) {
  parameters_ = std::move(parameters);
  ice_.setRemote(parameters_.remote);
}

Viewer::State Viewer::state() const {
  switch (dtls_.state()) {
    case DtlsClient::State::connected:
      return State::connected;
    case DtlsClient::State::failed:
      return State::failed;
    case DtlsClient::State::closed:
      return State::closed;
    default:
      return State::connecting;
  }
}

void Viewer::receive(const Arrival& arrival) {
  for (size_t at = 0; at < arrival.size; at += arrival.segmentBytes) {
    receiveDatagram(arrival.data + at, std::min(arrival.segmentBytes, arrival.size - at), arrival.from,
                    arrival.arrivedUs);
  }
}

/** RFC 7983 section 7. */
void Viewer::receiveDatagram(uint8_t* data, size_t size, const sockaddr_in& from, int64_t nowUs) {
  const uint8_t first = data[0];
  if (first >= 128 && first <= 191 && size >= kRtpHeaderBytes) {
    if (srtp_ == nullptr)
      return;
    // RFC 5761 section 4.
    const uint8_t type = data[1];
    if (type >= 192 && type <= 223)
      receiveRtcp(data, size, nowUs);
    else
      receiveRtp(data, size, nowUs);
  } else if (first <= 3) {
    ice_.receive(data, size, from, nowUs);
  } else if (first >= 20 && first <= 63) {
    dtls_.receive(data, size);
  }
  if (ice_.nominated() && !handshakeStarted_) {
    handshakeStarted_ = true;
    dtls_.start(parameters_.remoteFingerprint);
  }
  if (srtp_ == nullptr && dtls_.state() == DtlsClient::State::connected) {
    srtp_ = std::make_unique<SrtpReceiver>(dtls_.keys());
    connectedUs_ = nowUs;
    nextFeedbackUs_ = nowUs + options_.feedbackIntervalUs;
    nextReportUs_ = nowUs + options_.reportIntervalUs / 2;
  }
}

void Viewer::receiveRtp(const uint8_t* data, size_t size, int64_t nowUs) {
  const size_t headerBytes = rtpHeaderBytes(data, size);
  const uint32_t ssrc = readU32(data + 8);
  if (headerBytes == 0) {
    counts_.strangePackets += 1;
    return;
  }
  if (firstPacketUs_ == 0)
    firstPacketUs_ = nowUs;
  if (parameters_.transportWideCcId != 0) {
    const int sequence = extensionOf(data, headerBytes, parameters_.transportWideCcId);
    if (sequence >= 0)
      feedback_.note(static_cast<uint16_t>(sequence), nowUs);
  }
  if (ssrc == parameters_.videoSsrc)
    receiveVideo(data, size, headerBytes, nowUs);
  else if (ssrc == parameters_.audioSsrc)
    audio_.note(readU16(data + 2), size);
  else if (ssrc == parameters_.rtxSsrc)
    receiveRtx(data, size, headerBytes);
  else
    counts_.strangePackets += 1;
}

void Viewer::receiveVideo(const uint8_t* data, size_t size, size_t headerBytes, int64_t nowUs) {
  const uint16_t sequence = readU16(data + 2);
  const uint32_t rollOver = video_.note(sequence, size);
  const bool sample = sequence % options_.sampleEvery == 0;
  if (!sample && firstKeyframeUs_ != 0)
    return;
  uint8_t payload[kMaxPayloadBytes];
  const int payloadBytes =
      size <= kMaxPayloadBytes ? srtp_->openRtp(data, size, headerBytes, rollOver, payload) : -1;
  counts_.sampled += 1;
  if (payloadBytes < 1) {
    counts_.sampleFailures += 1;
    return;
  }
  look(payload, static_cast<size_t>(payloadBytes));
  if (firstKeyframeUs_ == 0) {
    followKeyframe(payload, static_cast<size_t>(payloadBytes), sequence, (data[1] & 0x80) != 0, nowUs);
  }
}

/** The generated pictures are filled with one byte each: a fragment that is not was put together wrongly. */
void Viewer::look(const uint8_t* payload, size_t size) {
  if ((payload[0] & 0x1F) != kNalFuA || size < 3)
    return;
  const bool uniform =
      std::all_of(payload + 3, payload + size, [&](uint8_t value) { return value == payload[2]; });
  if (!uniform)
    counts_.sampleFailures += 1;
}

void Viewer::followKeyframe(const uint8_t* payload, size_t size, uint16_t sequence, bool marker,
                            int64_t nowUs) {
  const uint8_t type = payload[0] & 0x1F;
  const bool sps = type == kNalSps || (type == kNalStapA && size > 3 && (payload[3] & 0x1F) == kNalSps);
  if (sps) {
    inKeyframe_ = true;
  } else if (sequence != nextOfKeyframe_) {
    inKeyframe_ = false;
  }
  nextOfKeyframe_ = static_cast<uint16_t>(sequence + 1);
  if (inKeyframe_ && marker && type == kNalFuA && size > 1 && (payload[1] & 0x1F) == kNalIdr) {
    firstKeyframeUs_ = nowUs;
  }
}

/** RFC 4588 section 4. */
void Viewer::receiveRtx(const uint8_t* data, size_t size, size_t headerBytes) {
  counts_.rtxPackets += 1;
  const uint32_t rollOver = rtx_.note(readU16(data + 2), size);
  uint8_t payload[kMaxPayloadBytes];
  const int payloadBytes =
      size <= kMaxPayloadBytes ? srtp_->openRtp(data, size, headerBytes, rollOver, payload) : -1;
  counts_.sampled += 1;
  if (payloadBytes < 2)
    counts_.sampleFailures += 1;
  else
    video_.noteRecovered(readU16(payload));
}

void Viewer::receiveRtcp(uint8_t* data, size_t size, int64_t nowUs) {
  if (!srtp_->openRtcp(data, size)) {
    counts_.rtcpFailures += 1;
    return;
  }
  if (data[1] != kSenderReport || size < 20)
    return;
  counts_.senderReports += 1;
  const uint32_t ssrc = readU32(data + 4);
  const LastSenderReport report{readU32(data + 10), nowUs};
  if (ssrc == parameters_.videoSsrc)
    videoReport_ = report;
  else if (ssrc == parameters_.audioSsrc)
    audioReport_ = report;
}

void Viewer::onTimer(int64_t nowUs) {
  if (nowUs < nextTimerUs_)
    return;
  nextTimerUs_ = nowUs + kTimerIntervalUs;
  ice_.onTimer(nowUs);
  dtls_.onTimer();
  if (srtp_ == nullptr || state() != State::connected)
    return;
  const auto missing = video_.takeMissing();
  if (!missing.empty() && parameters_.rtxSsrc != 0) {
    sendRtcp(buildNack(ownSsrc_, parameters_.videoSsrc, missing));
  }
  if (nowUs >= nextFeedbackUs_ && !feedback_.empty()) {
    nextFeedbackUs_ = std::max(nextFeedbackUs_ + options_.feedbackIntervalUs, nowUs);
    sendRtcp(feedback_.take(ownSsrc_, parameters_.videoSsrc));
  }
  if (nowUs >= nextReportUs_) {
    nextReportUs_ = nowUs + options_.reportIntervalUs;
    std::vector<ReportedStream> streams;
    if (video_.started())
      streams.push_back({parameters_.videoSsrc, &video_, &videoReport_});
    if (audio_.started())
      streams.push_back({parameters_.audioSsrc, &audio_, &audioReport_});
    if (!streams.empty())
      sendRtcp(buildReceiverReport(ownSsrc_, streams, nowUs));
  }
}

void Viewer::requestKeyframe() {
  if (srtp_ != nullptr)
    sendRtcp(buildPli(ownSsrc_, parameters_.videoSsrc));
}

void Viewer::leave() {
  dtls_.close();
}

void Viewer::sendRtcp(std::vector<uint8_t> compound) {
  srtp_->sealRtcp(compound);
  socket_.send(compound.data(), compound.size(), ice_.remote());
  counts_.rtcpSent += 1;
}

ViewerCounts Viewer::counts() const {
  ViewerCounts counts = counts_;
  counts.video = video_.counts();
  counts.audio = audio_.counts();
  counts.checksAnswered = ice_.checksAnswered();
  counts.overflowed = socket_.overflowed() - overflowedBefore_;
  return counts;
}

void Viewer::restartCounts() {
  counts_ = {};
  video_.restart();
  audio_.restart();
  overflowedBefore_ = socket_.overflowed();
}

}  // namespace bench
