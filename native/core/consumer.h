#pragma once

#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "keyframe_backoff.h"
#include "packet_writer.h"
#include "picture_repair.h"
#include "playout_delay.h"
#include "prefetch.h"
#include "producer.h"
#include "redundant_audio.h"
#include "report_timing.h"
#include "resend_queue.h"
#include "rtcp_parser.h"
#include "sequence_runs.h"
#include "stats.h"

namespace streamkit {

class MediaTransport;

struct ConsumerParameters {
  uint32_t ssrc = 0;
  uint8_t payloadType = 0;
  /** RTX (RFC 4588); both or neither. Without them a NACK is answered by nothing. */
  uint32_t rtxSsrc = 0;
  uint8_t rtxPayloadType = 0;
  /** Repeats sound for viewers that lose packets (RED, RFC 2198); 0 if the viewer does not take it. */
  uint8_t redPayloadType = 0;
  /** What sound that is joined lasts at most (RFC 8866 section 6.5); 0: no bound. */
  unsigned packetTimeMaxMs = 0;
  /** FlexFEC of the pictures, for viewers that lose packets; both or neither. */
  uint32_t fecSsrc = 0;
  uint8_t fecPayloadType = 0;
  std::string mid;
  /** Which layer of a simulcast it is (RFC 8853); empty if it is alone. */
  std::string rid;
  std::string cname;
  HeaderExtensionIds headerExtensions;
  unsigned playoutDelayMaxMs = 0;
  double targetBitrateBps = 0;
  /** By a media server, whose keyframe requests are those of many. */
  bool forwarded = false;
};

/**
 * One viewer's share of one producer: its headers, sequence numbers, retransmissions and reports. It holds no
 * packets: its queue is a position in the producer's history, so an overflow is a jump to the next keyframe.
 */
class Consumer {
 public:
  struct Burst {
    size_t packets = 0;
    /** Those of repair packets too. */
    size_t bytes = 0;
    size_t repairBytes = 0;
    /** Of the last packet of a picture that ended in the burst. */
    std::optional<uint16_t> pictureEnd;
  };

  /**
   * Full counts that the streams begin at. Below 0x8000 for new SSRCs: RFC 3711 section 3.3.1, a receiver
   * that loses the packets around an early wrap mistakes the roll-over counter. An SSRC that is used again
   * under the same keys goes on where it ended, or else its nonces would come again.
   */
  struct FirstIndices {
    int64_t media;
    int64_t rtx;
    int64_t fec;
  };

  Consumer(uint32_t id, MediaTransport& transport, Producer& producer, const ConsumerParameters& parameters,
           const MediaTime& time, FirstIndices first, std::shared_ptr<ConsumerStats> stats);

  uint32_t id() const { return id_; }
  bool video() const { return producer_->video(); }
  FirstIndices nextIndices() const { return {sequence_.next(), rtxIndex_, repair_.nextIndex()}; }
  MediaTransport& transport() { return transport_; }
  Producer& producer() { return *producer_; }
  const ConsumerParameters& parameters() const { return parameters_; }
  bool owns(uint32_t ssrc) const {
    return ssrc != 0 &&
           (ssrc == parameters_.ssrc || ssrc == parameters_.rtxSsrc || ssrc == parameters_.fecSsrc);
  }

  /**
   * The viewer can be reached: it begins with the frames since the last keyframe if they may be replayed, and
   * otherwise asks for a keyframe.
   */
  void start(int64_t nowUs);
  void pause() { paused_ = true; }
  void resume(int64_t nowUs);
  void setTargetBitrate(double bitrateBps) { parameters_.targetBitrateBps = bitrateBps; }
  /** What the viewer's link carries, all of it. */
  void setLinkBitrate(double bitrateBps) { linkBps_ = bitrateBps; }

  /** The producer at whose next keyframe the viewer goes on; null if there is none. */
  Producer* target() { return target_; }
  void setTarget(Producer* target) { target_ = target; }
  /** Nothing was sent yet. */
  bool isFresh() const { return sequence_.next() == firstSequence_; }
  /**
   * Goes on with what `producer` sends from now on, beginning with a keyframe: under the same SSRC, with the
   * next sequence number and a later RTP time. What the former one has sent may still be asked for.
   */
  void moveTo(Producer& producer, int64_t nowUs);
  /** That producer is closed: what it has sent is gone. */
  void forget(const Producer& producer);
  /** Something was lost between the source and here: what comes next cannot be decoded. */
  void skipToKeyframe(int64_t nowUs);
  /**
   * The thread has no time for this viewer's frames: video is dropped, and comes back with a keyframe once
   * there is time. Those who are left out stay so, instead of all in turn, of whom each would need a
   * keyframe.
   */
  void shed(int64_t nowUs);
  /** How frames leave for the viewer now. */
  struct Outlet {
    /** The viewer's address is known. */
    bool reachable;
    /** What its pacer lets through. */
    double pacedBps;
    /** For how long the viewer has been waiting for the thread. */
    int64_t lagUs;
  };
  /** A frame has come into the history. */
  void onFrame(const EncodedFrame& frame, const Outlet& outlet, int64_t nowUs);
  /** For how long the frame that is sent next has been waiting. */
  int64_t queueAgeUs(int64_t nowUs) const;

  /** Frames wait to be sent. */
  bool hasWork() const {
    return !paused_ && !waitsForKeyframe_ && nextFrame_ < producer_->history().nextFrame();
  }
  /** See FrameHistory. */
  int64_t frameExpectedUs() const { return producer_->history().expectedUs(); }
  /** Packets that wait, of all frames; 0 where none does. */
  size_t packetsWaiting() const;
  /** A keyframe is among what waits: it is to be spread. */
  bool keyframeWaits() const { return producer_->history().lastKeyframeNumber() >= nextFrame_; }
  /** What is next was sent to others before this viewer came. */
  bool replaying() const { return nextFrame_ < replayEnd_; }
  /** @param more something else follows in the same burst */
  Burst sendBurst(PacketWriter& writer, size_t maxPackets, bool more, int64_t nowUs);
  /** A report, if one is due; reports ride on frames: there are none while nothing is sent. */
  void reportWhenDue(PacketWriter& writer, int64_t nowUs, const ReportTiming& timing);
  void sayBye(PacketWriter& writer);

  /** A keyframe request that came too early may go out. */
  void retryKeyframeRequest(int64_t nowUs);
  std::optional<int64_t> keyframeRequestDueUs() const { return keyframeBackoff_.dueUs(); }

  // RTCP that names this consumer's media SSRC.
  /** @param linkIsFull what is lost is too much for the link */
  void onReport(const ReportBlock& block, bool linkIsFull, int64_t nowUs);
  /** Another stream of the same viewer loses packets, on a link that is not full. */
  void onLinkLoss(double fractionLost, int64_t nowUs) { redundancy_.onReport(fractionLost, nowUs); }
  void onPli(int64_t nowUs);
  void onFir(uint8_t commandSequence, int64_t nowUs);
  void onNack() { stats_->nacksReceived += 1; }
  /** It has lost so many packets lately that retransmissions are lost as well. */
  bool losesMany(int64_t nowUs) const { return nowUs - lossUs_ < kLossHoldUs; }
  /** Whether pictures that begin from now on have repair packets, if the viewer takes such. */
  void setRepaired(bool repaired) { repair_.setWanted(repaired); }
  bool takesRepairs() const { return parameters_.fecSsrc != 0; }
  bool canResend() const { return parameters_.rtxSsrc != 0 && !paused_; }
  /**
   * What a NACK is to be answered by; nothing while the last copy may be under way, and nothing for a frame
   * that would be repaired too late: that one is answered by a keyframe, unless one has been sent since.
   */
  std::optional<ResendQueue::Entry> wantsResend(uint16_t sequenceNumber, int64_t nowUs);
  /** There are packets by which the link may be probed. */
  bool canPad() const { return canResend() && sequence_.next() > firstSequence_; }
  /** One of the last packets once more, as padding that repairs losses by chance. */
  Burst sendPadding(PacketWriter& writer, int64_t nowUs);
  Burst resend(PacketWriter& writer, uint16_t sequenceNumber, int64_t nowUs);
  /** Loads what `onFrame` looks at into the cache. */
  void prefetchState() const { prefetchLines(this, 2 * kCacheLineBytes); }
  /** Loads what a burst looks at into the cache. */
  void prefetch() const { prefetchLines(this, kHotBytes); }

 private:
  static constexpr size_t kHotBytes = 7 * kCacheLineBytes;

  /** When each of the last sequence numbers was sent again. A later number takes the place of an older one.
   */
  struct ResendLog {
    static constexpr size_t kPackets = 2048;
    struct Entry {
      int64_t sentUs = INT64_MIN;
      uint16_t sequenceNumber = 0;
    };
    std::array<Entry, kPackets> entries;
  };

  static constexpr double kMuchLoss = reportedLoss(0.03);
  /** Reports of less loss than that are no sign of a better link before this long: chance spreads them. */
  static constexpr int64_t kLossHoldUs = 5'000'000;

  uint64_t maxBacklogBytes() const;
  /** @returns whether there is a keyframe after `afterFrame` from which the viewer can go on */
  bool jumpToKeyframe(int64_t afterFrame);
  bool startReplay();
  bool isTooOld(const Outlet& outlet, int64_t nowUs) const;
  /** It was sent too long ago for a repair to help. */
  bool isGivenUp(const EncodedFrame& frame, int64_t nowUs) const;
  void requestKeyframe(int64_t nowUs);
  /** A packet that was sent under a sequence number and is still there. */
  struct SentPacket {
    StoredPacket stored;
    /** Full count of it in its producer. */
    int64_t packet;
    uint32_t timestampOffset;
  };
  struct Lookup {
    /** False: nothing was sent under the number, or too long ago. */
    bool wasSent = false;
    /** A keyframe has come since, or comes next. */
    bool beforeKeyframe = false;
    std::optional<SentPacket> packet;
  };
  /** Before the first frame after a move is sent. */
  void continueTimestamps(const EncodedFrame& frame);
  Lookup findSent(uint16_t sequenceNumber, int64_t nowUs);
  Lookup findIn(Producer& producer, std::optional<int64_t> packet, uint32_t timestampOffset, int64_t nowUs);
  /** Sound that waits may go as one packet: nobody asks for a part of it again, and none is repeated. */
  bool joinsSound() const { return !video() && parameters_.rtxSsrc == 0 && redundancy_.blocks() == 0; }
  /** Puts earlier packets in front of a packet of sound if the viewer loses some. @returns the prefix, or
   * nothing */
  Bytes writeRedundancy(const EncodedFrame& frame, RedPrefix& prefix) const;
  Burst writeRtx(PacketWriter& writer, uint16_t sequenceNumber, const SentPacket& sent, int64_t nowUs);
  RtpHeaderFields headerOf(const EncodedFrame& frame, uint32_t index, uint32_t timestampOffset) const;

  /** What was sent before the last move, for as long as the history is kept. */
  struct Former {
    Producer* producer;
    SequenceRuns sequence;
    uint32_t timestampOffset;
    int64_t untilUs;
  };

  // What is looked at for each burst comes first, as in MediaTransport.
  uint32_t id_;
  uint32_t nextPayload_ = 0;
  MediaTransport& transport_;
  Producer* producer_;
  int64_t nextFrame_;
  int64_t replayEnd_ = 0;
  bool waitsForKeyframe_;
  bool paused_ = false;
  bool shed_ = false;
  bool moved_ = false;
  /** Is added to the present producer's RTP times, so that they go on from those of the former one. */
  uint32_t timestampOffset_ = 0;
  KeyframeBackoff keyframeBackoff_;
  int64_t reportDueUs_ = INT64_MIN;
  uint32_t reportsSent_ = 0;
  /** When much loss was reported last. */
  int64_t lossUs_ = INT64_MIN / 2;
  std::shared_ptr<ConsumerStats> stats_;
  SequenceRuns sequence_;
  int64_t firstSequence_;
  /** The RTP time of the last frame as it was sent. */
  uint32_t lastTimestamp_ = 0;
  uint32_t paddings_ = 0;
  RtpHeaderTemplate header_;
  ConsumerParameters parameters_;
  PictureRepair repair_;

  /** Bytes of the last keyframe that this viewer was sent. */
  uint64_t keyframeBytes_ = 0;
  Producer* target_ = nullptr;
  std::optional<Former> former_;
  const MediaTime& time_;
  int64_t rtxIndex_;
  std::unique_ptr<ResendLog> resends_;
  AudioRedundancy redundancy_;
  PlayoutDelay playoutDelay_;
  /** Unlimited while it is not known. */
  double linkBps_ = std::numeric_limits<double>::infinity();
  std::optional<uint8_t> lastFirSequence_;
};

}  // namespace streamkit
