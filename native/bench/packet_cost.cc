// What a packet costs the plane beside the least that it can cost, in turns on one thread: CPU time of the
// thread, so that other work on the machine disturbs it little. The core is the real one, and so are its
// socket and those of its viewers on loopback, which have UDP_GRO, report once per second and send
// transport-wide feedback every 50 ms. Time is virtual. What it leaves out: the waits of a thread that runs,
// and the media socket. Raw sends 16 packets per call, alike as many as the plane has sent.
//
//   make packet-cost && out/plain/packet_cost [rounds, 15] [viewers ..., 100 300 1000]
#include <algorithm>
#include <cmath>
#include <functional>

#include "clock.h"
#include "loopback.h"
#include "merged_datagrams.h"
#include "raw_sender.h"
#include "rtcp_reporter.h"
#include "test/rtp_extension.h"
#include "test/silent_listener.h"

namespace streamkit {
namespace {

using bench::threadCpuNs;
using loopback::openSocket;

constexpr int64_t kFrameIntervalUs = 33'333;
constexpr int64_t kSoundIntervalUs = 20'000;
constexpr int64_t kFeedbackIntervalUs = 50'000;
constexpr int64_t kReportIntervalUs = 1'000'000;
constexpr double kBitrateBps = 4e6;
constexpr uint32_t kMeanFrameBytes = static_cast<uint32_t>(kBitrateBps / 8 * kFrameIntervalUs / 1'000'000);
constexpr uint32_t kMaxPayloadBytes = 1180;
constexpr uint32_t kSoundBytes = 160;
/** RFC 6716 section 3.1: one frame of 20 ms, stereo. */
constexpr uint8_t kOpusHeader = 0xfc;
constexpr uint32_t kPacketsPerBurst = 16;
constexpr uint32_t kRawPacketBytes = 1200;
constexpr size_t kPacketsPerTurn = 1536;
constexpr size_t kMaxReadBytes = 65'536;
constexpr int kWarmUpFrames = 60;
constexpr int kFramesPerRound = 15;
constexpr uint8_t kTransportSequenceId = 2;
constexpr uint32_t kVideo = 1;
constexpr uint32_t kSound = 2;
constexpr uint32_t kVideoSsrc = 5;

std::unique_ptr<UdpSocket> openMergingSocket() {
  auto socket = openSocket();
  bench::mergeDatagrams(socket->fd());
  return socket;
}

/** Reads all that is there. @param callback is given each datagram */
void drain(const UdpSocket& socket, const std::function<void(Bytes)>& callback) {
  static std::vector<uint8_t> buffer(kMaxReadBytes);
  for (;;) {
    iovec vector{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<uint8_t, 128> control;
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(socket.fd(), &message, MSG_DONTWAIT);
    if (size <= 0) {
      return;
    }
    const size_t segmentBytes = bench::segmentBytesOf(message, static_cast<size_t>(size));
    const Bytes all = Bytes(buffer).first(static_cast<size_t>(size));
    for (size_t at = 0; at < all.size(); at += segmentBytes) {
      callback(all.subspan(at, std::min(segmentBytes, all.size() - at)));
    }
  }
}

/** A viewer without loss. */
class Viewer {
 public:
  Viewer(size_t number, int64_t nowUs)
      : socket_(openMergingSocket()),
        reports_(*SrtpSender::create(SrtpProfile::kAeadAes128Gcm, {})),
        feedbackUs_(nowUs + static_cast<int64_t>(number) * 7919 % kFeedbackIntervalUs),
        reportUs_(nowUs + static_cast<int64_t>(number) * 7919 % kReportIntervalUs) {}

  const SocketAddress& address() const { return socket_->local(); }
  std::shared_ptr<ConsumerStats> stats() const { return stats_; }

  void read(int64_t nowUs) {
    drain(*socket_, [&](Bytes datagram) {
      const auto packet = RtpPacketView::parse(datagram);
      const Bytes sequence = packet ? test::extensionElement(*packet, kTransportSequenceId) : Bytes{};
      if (!sequence.empty()) {
        feedback_.note(readU16(sequence.data()), nowUs);
        if (packet->ssrc == kVideoSsrc) {
          log_.note(packet->sequenceNumber, datagram.size());
        }
      }
    });
  }

  void report(const SocketAddress& to, int64_t nowUs) {
    if (nowUs >= feedbackUs_ && !feedback_.empty()) {
      feedbackUs_ += kFeedbackIntervalUs;
      send(feedback_.take(1, kVideoSsrc), to);
    }
    if (nowUs >= reportUs_ && log_.started()) {
      reportUs_ += kReportIntervalUs;
      send(bench::buildReceiverReport(1, {{kVideoSsrc, &log_, &lastReport_}}, nowUs), to);
    }
  }

 private:
  void send(Bytes compound, const SocketAddress& to) {
    std::vector<uint8_t> sealed(compound.size() + reports_.rtcpOverheadBytes());
    reports_.protectRtcp(compound, sealed.data());
    PlaneStats stats;
    socket_->send(to, sealed, sealed.size(), stats);
  }

  std::unique_ptr<UdpSocket> socket_;
  SrtpSender reports_;
  std::shared_ptr<ConsumerStats> stats_ = std::make_shared<ConsumerStats>();
  bench::TransportFeedback feedback_;
  bench::ReceptionLog log_;
  bench::LastSenderReport lastReport_;
  int64_t feedbackUs_;
  int64_t reportUs_;
};

/** CPU time by what it is for, ns. */
struct Cost {
  double video = 0;
  double sound = 0;
  double receive = 0;

  double sum() const { return video + sound + receive; }
};

class Plane {
 public:
  explicit Plane(size_t viewers) : sender_(openSocket()) {
    core_.createProducer(kVideo, {});
    core_.createProducer(kSound, {.video = false, .clockRateHz = 48'000});
    for (size_t i = 0; i < viewers; i += 1) {
      addViewer(i);
    }
    for (int i = 0; i < kWarmUpFrames; i += 1) {
      play();
    }
  }

  /** CPU time per packet over a few frames. */
  Cost measure() {
    cost_ = {};
    const uint64_t packets = sender_.stats.packetsSent;
    const uint64_t calls = sender_.stats.sendCalls;
    for (int i = 0; i < kFramesPerRound; i += 1) {
      play();
    }
    const auto sent = static_cast<double>(sender_.stats.packetsSent - packets);
    packetsPerCall_ = sent / static_cast<double>(sender_.stats.sendCalls - calls);
    return {cost_.video / sent, cost_.sound / sent, cost_.receive / sent};
  }

  double packetsPerCall() const { return packetsPerCall_; }
  uint64_t errors() const { return sender_.stats.sendErrors; }
  uint64_t framesDropped() const {
    uint64_t sum = 0;
    for (const auto& viewer : viewers_) {
      sum += viewer->stats()->framesDropped;
    }
    return sum;
  }

 private:
  void addViewer(size_t number) {
    const auto endpoint = static_cast<uint32_t>(10 + 4 * number);
    viewers_.push_back(std::make_unique<Viewer>(number, nowUs_));
    loopback::join(core_, endpoint, viewers_.back()->address(), nowUs_);
    ConsumerParameters parameters;
    parameters.ssrc = kVideoSsrc;
    parameters.payloadType = 96;
    parameters.rtxSsrc = 6;
    parameters.rtxPayloadType = 97;
    parameters.mid = "0";
    parameters.cname = "packet-cost";
    parameters.headerExtensions = {1, kTransportSequenceId, 3, 4};
    parameters.targetBitrateBps = kBitrateBps;
    core_.consume(endpoint + 2, endpoint + 1, kVideo, parameters, viewers_.back()->stats(), nowUs_);
    parameters.ssrc = 7;
    parameters.payloadType = 111;
    parameters.rtxSsrc = 0;
    parameters.mid = "1";
    parameters.targetBitrateBps = 64'000;
    core_.consume(endpoint + 3, endpoint + 1, kSound, parameters, std::make_shared<ConsumerStats>(), nowUs_);
  }

  template <typename Work>
  void timed(double& sum, Work&& work) {
    const int64_t startNs = threadCpuNs();
    work();
    sum += static_cast<double>(threadCpuNs() - startNs);
  }

  void advance() {
    do {
      dueUs_ = core_.advance(nowUs_, kPacketsPerTurn);
    } while (dueUs_.has_value() && *dueUs_ <= nowUs_);
  }

  /** What happens until the next frame has gone out. */
  void play() {
    const int64_t frameUs = nowUs_ / kFrameIntervalUs * kFrameIntervalUs + kFrameIntervalUs;
    for (;;) {
      const int64_t soundUs = nowUs_ / kSoundIntervalUs * kSoundIntervalUs + kSoundIntervalUs;
      nowUs_ = std::min({frameUs, soundUs, std::max(nowUs_ + 1, dueUs_.value_or(INT64_MAX))});
      if (nowUs_ == soundUs) {
        EncodedFrame frame = soundFrame();
        timed(cost_.sound, [&] { core_.sendFrame(kSound, std::move(frame), false, nowUs_); });
      }
      if (nowUs_ < frameUs) {
        timed(cost_.sound, [&] { advance(); });
        continue;
      }
      EncodedFrame frame = pictureFrame();
      timed(cost_.video, [&] {
        core_.sendFrame(kVideo, std::move(frame), false, nowUs_);
        advance();
      });
      break;
    }
    for (const auto& viewer : viewers_) {
      viewer->read(nowUs_);
      viewer->report(sender_.socket->local(), nowUs_);
    }
    timed(cost_.receive, [&] {
      while (sender_.socket->receive(
          [&](const SocketAddress& from, MutableBytes data) { core_.receive(0, from, data, nowUs_); })) {
      }
      advance();
    });
  }

  EncodedFrame pictureFrame() {
    frames_ += 1;
    // Sizes of ±40 % that repeat from run to run.
    const uint32_t spread = static_cast<uint32_t>(frames_ * 2'654'435'761u) >> 16;
    const uint32_t mean = frames_ == 1 ? 6 * kMeanFrameBytes : kMeanFrameBytes;
    const uint32_t bytes = mean * 6 / 10 + static_cast<uint32_t>(uint64_t{mean} * 8 / 10 * spread / 0x10000);
    const uint32_t count = (bytes + kMaxPayloadBytes - 1) / kMaxPayloadBytes;
    const uint32_t each = (bytes + count - 1) / count;
    EncodedFrame frame = frameOf(bytes);
    for (uint32_t i = 0; i < count; i += 1) {
      frame.offsets.push_back(i * each);
    }
    frame.offsets.push_back(bytes);
    frame.keyframe = frames_ == 1;
    frame.rtpTimestamp = rtpTimestampOf(nowUs_, 90'000);
    return frame;
  }

  EncodedFrame soundFrame() {
    EncodedFrame frame = frameOf(kSoundBytes);
    frame.bytes[0] = kOpusHeader;
    frame.offsets = {0, kSoundBytes};
    frame.rtpTimestamp = rtpTimestampOf(nowUs_, 48'000);
    return frame;
  }

  EncodedFrame frameOf(uint32_t bytes) const {
    EncodedFrame frame;
    frame.bytes = std::make_unique<uint8_t[]>(bytes);
    frame.captureTimeUs = nowUs_;
    return frame;
  }

  test::SilentListener events_;
  loopback::Sender sender_;
  MediaCore core_{MediaCore::Options{0, 1}, sender_, events_, sender_.stats};
  std::vector<std::unique_ptr<Viewer>> viewers_;
  std::optional<int64_t> dueUs_;
  int64_t nowUs_ = 1'000'000;
  uint32_t frames_ = 0;
  Cost cost_;
  double packetsPerCall_ = 0;
};

class Raw {
 public:
  Raw(size_t destinations, uint32_t packetsPerBurst) {
    std::vector<uint16_t> ports;
    for (size_t i = 0; i < destinations; i += 1) {
      sinks_.push_back(openMergingSocket());
      ports.push_back(sinks_.back()->local().port());
    }
    sender_ = bench::RawSender::open(ports, packetsPerBurst, kRawPacketBytes);
    if (sender_ == nullptr) {
      std::fprintf(stderr, "UDP_SEGMENT is not available: errno %d\n", errno);
      std::exit(1);
    }
  }

  /** CPU time per packet, ns. */
  double measure(bool send) {
    double sum = 0;
    for (int i = 0; i < kFramesPerRound; i += 1) {
      const int64_t startNs = threadCpuNs();
      sender_->sendRound(true, send);
      sum += static_cast<double>(threadCpuNs() - startNs);
      for (const auto& sink : sinks_) {
        drain(*sink, [](Bytes) {});
      }
    }
    return sum / static_cast<double>(kFramesPerRound * sender_->packetsPerRound());
  }

 private:
  std::vector<std::unique_ptr<UdpSocket>> sinks_;
  std::unique_ptr<bench::RawSender> sender_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void report(size_t viewers, int rounds) {
  Plane plane(viewers);
  plane.measure();
  Raw raw(viewers, kPacketsPerBurst);
  Raw alike(viewers, static_cast<uint32_t>(std::lround(plane.packetsPerCall())));
  std::vector<double> encrypts;
  std::vector<double> raws;
  std::vector<double> alikes;
  std::vector<double> videos;
  std::vector<double> sounds;
  std::vector<double> receives;
  std::vector<double> sums;
  std::vector<double> ratios;
  std::vector<double> alikeRatios;
  for (int i = 0; i < rounds; i += 1) {
    encrypts.push_back(raw.measure(false));
    raws.push_back(raw.measure(true));
    alikes.push_back(alike.measure(true));
    const Cost cost = plane.measure();
    videos.push_back(cost.video);
    sounds.push_back(cost.sound);
    receives.push_back(cost.receive);
    sums.push_back(cost.sum());
    ratios.push_back(cost.sum() / raws.back());
    alikeRatios.push_back(cost.sum() / alikes.back());
  }
  std::printf("%7zu %8.0f %5.0f %6.0f %6.0f %6.0f %6.0f %8.0f %6.2f %7.2f %10.1f %8llu %7llu\n", viewers,
              median(encrypts), median(raws), median(alikes), median(sums), median(videos), median(sounds),
              median(receives), median(ratios), median(alikeRatios), plane.packetsPerCall(),
              static_cast<unsigned long long>(plane.framesDropped()),
              static_cast<unsigned long long>(plane.errors()));
  std::fflush(stdout);
}

}  // namespace
}  // namespace streamkit

int main(int count, char** arguments) {
  streamkit::loopback::allowManySockets();
  const int rounds = count > 1 ? std::max(1, std::atoi(arguments[1])) : 15;
  std::vector<size_t> viewers;
  for (int i = 2; i < count; i += 1) {
    viewers.push_back(static_cast<size_t>(std::atoi(arguments[i])));
  }
  if (viewers.empty()) {
    viewers = {100, 300, 1000};
  }
  std::printf("720p30 at 4 Mbit/s and Opus. CPU ns per packet, medians of %d rounds in turns\n", rounds);
  std::printf(
      "viewers  encrypt   raw  alike  plane  video  sound  receive  x raw  x alike  pkts/call  dropped  "
      "errors\n");
  for (const size_t each : viewers) {
    streamkit::report(each, rounds);
  }
  return 0;
}
