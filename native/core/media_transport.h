#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "bandwidth_estimator.h"
#include "consumer.h"
#include "pacer.h"
#include "packet_writer.h"
#include "pump_schedule.h"
#include "repeat_queue.h"
#include "resend_budget.h"
#include "resend_queue.h"
#include "rtcp_parser.h"
#include "srtcp_receiver.h"
#include "transport_feedback.h"

namespace streamkit {

/** Where the media of a viewer goes. */
struct SelectedPair {
  int socket = -1;
  SocketAddress remote;

  bool operator==(const SelectedPair& other) const = default;
};

/** One viewer's SRTP and SRTCP: its consumers, its pacer, and what its RTCP says. */
class MediaTransport final : public PumpSchedule::Entry, private RtcpListener {
 public:
  class Listener {
   public:
    /** What the viewer's link can carry has changed by 5 % or more; at most a few times a second. */
    virtual void onEstimate(uint32_t transport, double bitrateBps) = 0;

   protected:
    ~Listener() = default;
  };

  struct Services {
    Listener& listener;
    PacketBatch& batch;
    const DatagramSender& sender;
    PlaneStats& planeStats;
  };

  /** A source that has sent no picture for this long is not waited for: the page stands still, or there is no
   * video. */
  static constexpr int64_t kVideoRecentUs = 100'000;
  /** NACK items of one datagram that are looked at, each of up to 17 packets; the viewer asks for the rest
   * again. */
  static constexpr size_t kMaxNackItems = 128;
  /** SSRCs under one pair of keys. */
  static constexpr size_t kMaxSsrcs = 512;

  MediaTransport(uint32_t id, SrtpSender sender, SrtcpReceiver receiver,
                 std::shared_ptr<TransportStats> stats, const Services& services);

  uint32_t id() const { return id_; }
  const std::vector<Consumer*>& consumers() const { return consumers_; }
  bool reachable() const { return pair_.socket >= 0; }
  /** Consumers that could not be reached until now begin. */
  void select(const SelectedPair& pair, int64_t nowUs);
  /** The viewer has withdrawn its consent: nothing is sent until a pair is selected again. */
  void unselect() { pair_ = {}; }

  void add(Consumer* consumer);
  /** Says BYE for it. */
  void remove(Consumer* consumer);
  /**
   * Whether the streams may have these SSRCs: both must differ from each other and from those in use, for
   * they are SRTP nonces. The counts of those used before are kept as long as the keys, so there may not be
   * too many.
   */
  bool admits(const ConsumerParameters& parameters) const;
  /** Where an SSRC's counts are to go on that was used under these keys before. */
  std::optional<int64_t> nextIndexOf(uint32_t ssrc) const;
  void targetBitrateChanged();

  /** SRTCP from an address that is the viewer's. */
  void receiveRtcp(MutableBytes packet, int64_t nowUs);

  /** When sound that comes now is to go out if no video does. @param waitUs how long it may wait */
  int64_t soundDueUs(int64_t nowUs, int64_t waitUs) const;
  /** What the pacer lets through, bit/s. */
  double pacedBps() const { return pacer_.bitrateBps(); }
  /** Retransmissions wait. */
  bool resends() const { return !resends_.empty(); }
  /** When the next keyframe request that came too early may go out. */
  std::optional<int64_t> keyframeRequestDueUs() const;
  /** Loads what is looked at for each frame into the cache. */
  void prefetchState() const { prefetchLines(this, 4 * kCacheLineBytes); }
  /** Loads what `pump` looks at of the transport itself into the cache, while others are served. */
  void prefetch() const;
  /** The same for what it points to, a turn after `prefetch`, which brings the pointers. */
  void prefetchConsumers() const;
  /**
   * Sends what may be sent now: retransmissions, a burst of video, and sound.
   * @param packets is increased by what was sent
   * @returns when to call again; nothing where there is no work left
   */
  std::optional<int64_t> pump(int64_t nowUs, const ReportTiming& reports, size_t& packets);

 private:
  void onReport(const ReportBlock& block) override;
  void onNack(uint32_t ssrc, Bytes items) override;
  void onPli(uint32_t ssrc) override;
  void onFir(uint32_t ssrc, uint8_t commandSequence) override;
  void onTransportFeedback(Bytes body) override;
  void onRemb(double bitrateBps) override;

  bool hasWork() const;
  /** The consumer whose media SSRC it is; what names nobody is counted, what names an RTX stream is ignored.
   */
  Consumer* addressee(uint32_t ssrc);
  size_t pumpResends(int64_t nowUs);
  size_t pumpRepeats(int64_t nowUs);
  bool mayRepeat() const;
  /** Whether the consumer's pictures are to have repair packets. */
  bool mayRepair(const Consumer& consumer, int64_t nowUs) const;
  bool soundWaits() const;
  bool videoWaits() const;
  size_t pumpSound(int64_t nowUs, const ReportTiming& reports);
  /** Whose video is next, if the pacer lets it go now, and how much of it. */
  struct VideoTurn {
    Consumer* consumer = nullptr;
    size_t packets = 0;
  };
  VideoTurn nextVideo(int64_t nowUs);
  size_t pumpVideo(VideoTurn turn, bool more, int64_t nowUs);
  /** Packets between the last feedback and this one: the feedback on them was lost, they hardly were. */
  void reportGap(SentPacketLog& sent, int64_t firstSequence, int64_t arrivalUs);
  void tellEstimate(double bitrateBps);
  /** Sets the pacer by the estimate, or by what the consumers are encoded at. */
  void pace();
  void beginProbe(int64_t nowUs);
  size_t pumpPadding(int64_t nowUs);

  // What is looked at for each burst comes first, in as few cache lines as can be: between two bursts of a
  // viewer come those of all others, and the lines may have left the cache.
  Services services_;
  SelectedPair pair_;
  /** Sound before video. */
  std::vector<Consumer*> consumers_;
  size_t turn_ = 0;
  int64_t videoSentUs_ = INT64_MIN / 2;
  Pacer pacer_;
  ResendBudget resendBudget_;
  ResendQueue resends_;
  RepeatQueue repeats_;
  size_t probeBytesLeft_ = 0;
  int64_t firstBurstEnd_ = 0;
  PacketWriter writer_;
  BandwidthEstimator estimator_;

  uint32_t id_;
  SrtcpReceiver receiver_;
  std::shared_ptr<TransportStats> stats_;
  std::unordered_map<uint32_t, int64_t> retiredIndices_;
  /** The viewer has sent authentic RTCP. */
  bool heard_ = false;
  int64_t receivedAtUs_ = 0;
  /** When the link was last seen to be full. */
  int64_t fullUs_ = INT64_MIN / 2;
  /** NACK items that may still be read of the present datagram. */
  size_t nackItemsLeft_ = 0;
  ReferenceTime referenceTime_;
  int64_t newestReported_ = -1;
  double targetBps_ = 0;
  double estimateToldBps_ = 0;
  int64_t estimateToldUs_ = INT64_MIN / 2;
  /** The rate of the probe that is being sent. */
  double probeBps_ = 0;
};

}  // namespace streamkit
