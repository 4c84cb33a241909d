#pragma once

#include <memory>
#include <optional>
#include <random>
#include <unordered_map>
#include <vector>

#include "media_transport.h"
#include "producer.h"
#include "pump_schedule.h"
#include "srtp_session.h"

namespace streamkit {

/**
 * What comes out of a shard besides datagrams. Called on the thread that calls the shard; must not call back.
 * If there are several shards, their threads call it at the same time.
 */
class MediaShardListener : public MediaTransport::Listener {
 public:
  virtual void onKeyframeWanted(uint32_t producer) = 0;
  /** See MediaCore::switchConsumer. */
  virtual void onSwitched(uint32_t consumer, uint32_t producer) = 0;

 protected:
  ~MediaShardListener() = default;
};

/**
 * The viewers that one thread sends to: their transports and consumers, what all producers have sent lately,
 * and who is to be sent something when. Each shard has all producers, and each viewer is in one shard. As of
 * MediaCore, time, calls and datagrams go in; datagrams, events and the next timeout come out.
 */
class MediaShard final : private Producer::Listener {
 public:
  struct Options {
    /** Wall-clock µs less monotonic µs. */
    int64_t wallOffsetUs = 0;
    uint32_t seed = 1;
  };

  MediaShard(const Options& options, DatagramSender& sender, MediaShardListener& listener, PlaneStats& stats);

  /** @param keyframes is shared by all shards */
  void createProducer(uint32_t id, const ProducerParameters& parameters,
                      std::shared_ptr<KeyframeRequestPolicy> keyframes);
  void sendFrame(uint32_t producer, EncodedFrame frame, bool gapBefore, int64_t nowUs);
  void setProducerBitrate(uint32_t producer, double bitrateBps);
  void requestKeyframe(uint32_t producer, int64_t nowUs);
  void closeProducer(uint32_t id, int64_t nowUs);

  void createTransport(uint32_t id, SrtpSession srtp, std::shared_ptr<TransportStats> stats,
                       const std::optional<SelectedPair>& pair);
  void selectPair(uint32_t transport, const SelectedPair& pair, int64_t nowUs);
  void unselectPair(uint32_t transport);
  void closeTransport(uint32_t id);
  /** @param data SRTCP from an address that is the viewer's; is decrypted in place */
  void receiveRtcp(uint32_t transport, MutableBytes data, int64_t nowUs);

  bool consume(uint32_t id, uint32_t transport, uint32_t producer, const ConsumerParameters& parameters,
               std::shared_ptr<ConsumerStats> stats, int64_t nowUs);
  void pauseConsumer(uint32_t id);
  void resumeConsumer(uint32_t id, int64_t nowUs);
  void switchConsumer(uint32_t consumer, uint32_t producer, int64_t nowUs);
  void setTargetBitrate(uint32_t consumer, double bitrateBps);
  void closeConsumer(uint32_t id);

  /** See MediaCore::advance. */
  std::optional<int64_t> advance(int64_t nowUs, size_t maxPackets);
  /** From the generator that the shard itself draws from. */
  uint32_t random() { return static_cast<uint32_t>(random_()); }
  /** Viewers wait for their turn. */
  bool isBusy() const { return schedule_.anyReady(); }

 private:
  void onKeyframeWanted(uint32_t producer) override { listener_.onKeyframeWanted(producer); }
  void onKeyframeRequestDue(uint32_t producer, int64_t dueUs) override;

  Producer* findProducer(uint32_t id);
  MediaTransport* findTransport(uint32_t id);
  Consumer* findConsumer(uint32_t id);
  /** Consumers that wait for the producer's keyframe come over, or it is asked for once more. */
  void admitArrivals(Producer& producer, bool keyframe, int64_t nowUs);
  void move(Consumer& consumer, Producer& producer, int64_t nowUs);
  int64_t firstIndex(const MediaTransport& transport, uint32_t ssrc);
  void retryKeyframeRequests(int64_t nowUs);

  MediaTime time_;
  DatagramSender& sender_;
  MediaShardListener& listener_;
  PlaneStats& stats_;
  std::mt19937 random_;
  PacketBatch batch_;
  // By id for the calls that name one; what happens for each frame, packet and datagram goes from one to the
  // other by pointer: a thousand viewers' entries do not fit into the cache.
  std::unordered_map<uint32_t, std::unique_ptr<Producer>> producers_;
  std::unordered_map<uint32_t, std::unique_ptr<MediaTransport>> transports_;
  std::unordered_map<uint32_t, std::unique_ptr<Consumer>> consumers_;
  PumpSchedule schedule_;
  std::unordered_map<uint32_t, int64_t> keyframeRequestsDue_;
  /** Those whose time has come; a member so that nothing is allocated. */
  std::vector<uint32_t> producersDue_;
};

}  // namespace streamkit
