#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "consent_keeper.h"
#include "dtls_registry.h"
#include "endpoint_registry.h"
#include "media_shard.h"
#include "packet_kind.h"
#include "shard_link.h"

namespace streamkit {

/** What comes out of the core besides datagrams. Called on the thread that calls the core, or that does what
 * the core hands over; must not call back. */
class MediaCoreListener : public MediaShardListener {
 public:
  /** STUN for an endpoint. */
  virtual void onPacket(uint32_t endpoint, int socket, const SocketAddress& from, Bytes data) = 0;
  /** See MediaCore::keepConsent. */
  virtual void onConsentLost(uint32_t consent) = 0;
  /** See DtlsEndpoint::Listener. */
  virtual void onDtlsConnected(uint32_t endpoint) = 0;
  virtual void onDtlsData(uint32_t endpoint, Bytes data) = 0;
  virtual void onDtlsEnded(uint32_t endpoint, DtlsFault fault) = 0;

 protected:
  ~MediaCoreListener() = default;
};

/**
 * The media plane without its sockets and without its threads: time, calls and datagrams go in; datagrams,
 * events and the next timeout come out. Ids come from the caller and are not used again; a call with an
 * unknown one is ignored.
 *
 * The core itself has what belongs to joining: ICE and consent, and whose a datagram is. Media is sent by
 * shards. Either the core has one of its own, or it hands viewers, frames and RTCP to those of other threads;
 * the same holds for DTLS.
 */
class MediaCore final : private DtlsEndpoint::Listener {
 public:
  using Options = MediaShard::Options;

  /** Another shard is used when there are this many viewers for each that is in use. */
  static constexpr size_t kViewersPerShard = 4;

  /**
   * @param links to the shards of other threads; the core has a shard of its own if there are none
   * @param dtls of another thread, which tells the listener itself; null: the core has DTLS of its own
   */
  MediaCore(const Options& options, DatagramSender& sender, MediaCoreListener& listener, PlaneStats& stats,
            const std::vector<ShardLink*>& links = {}, DtlsLink* dtls = nullptr);

  void createEndpoint(uint32_t id, std::string ufrag, std::string password);
  void setLocalCredentials(uint32_t endpoint, std::string ufrag, std::string password);
  void setRemoteCredentials(uint32_t endpoint, std::string ufrag, std::string password);
  void sendPacket(uint32_t endpoint, int socket, const SocketAddress& to, Bytes data, int64_t nowUs);
  /**
   * Asks the viewer from now on whether it still wants what goes over this pair, until the next call,
   * `endConsent` or the end of the endpoint; or until it has not answered for too long, which is told once.
   * @param consent what its loss is told by
   * @param request a binding request without integrity and fingerprint, for the credentials of now
   */
  void keepConsent(uint32_t endpoint, uint32_t consent, const SelectedPair& pair, Bytes request,
                   int64_t nowUs);
  void endConsent(uint32_t endpoint) { consents_.end(endpoint); }
  void closeEndpoint(uint32_t id);

  /** To be called before the first `startDtls`. */
  void setDtlsContext(std::shared_ptr<DtlsContext> context) { dtls().setContext(std::move(context)); }
  /** Begins the handshake; records that came before it count. Once per endpoint. */
  void startDtls(uint32_t endpoint, DtlsRole role, DtlsFingerprints fingerprints, int64_t nowUs);
  /** Application data: one record. Ignored if there is no connection. */
  void sendDtls(uint32_t endpoint, Bytes data);
  /** What DTLS has for the viewer. */
  void sendDtlsDatagram(uint32_t endpoint, Bytes datagram);
  /** Of the DTLS connection, before its beginning is told; nothing: it has ended. */
  void setDtlsKeys(uint32_t endpoint, std::optional<SrtpSession> srtp);

  void createProducer(uint32_t id, const ProducerParameters& parameters);
  bool hasProducer(uint32_t id) const { return producers_.contains(id); }
  /** @param gapBefore frames before it were lost: consumers wait for a keyframe */
  void sendFrame(uint32_t producer, EncodedFrame frame, bool gapBefore, int64_t nowUs);
  /** The source is encoded at another rate from now on. */
  void setProducerBitrate(uint32_t producer, double bitrateBps);
  /** The source is asked for a keyframe, unless it has been a moment ago. */
  void requestKeyframe(uint32_t producer, int64_t nowUs);
  /** Consumers that wait to go over to another producer do so now; the others are closed. */
  void closeProducer(uint32_t id, int64_t nowUs);

  /** Takes the place of the transport that the endpoint had. @returns false where the endpoint is unknown */
  bool createTransport(uint32_t id, uint32_t endpoint, SrtpSession srtp,
                       std::shared_ptr<TransportStats> stats);
  /** The same by the keys of the endpoint's DTLS connection, once. */
  bool createDtlsTransport(uint32_t id, uint32_t endpoint, std::shared_ptr<TransportStats> stats);
  /** Sends BYE of its consumers, closes them. */
  void closeTransport(uint32_t id);

  bool consume(uint32_t id, uint32_t transport, uint32_t producer, const ConsumerParameters& parameters,
               std::shared_ptr<ConsumerStats> stats, int64_t nowUs);
  void pauseConsumer(uint32_t id);
  void resumeConsumer(uint32_t id, int64_t nowUs);
  /**
   * The viewer goes on with another producer of the same kind and clock at that one's next keyframe, which is
   * asked for; until then the former one goes on. The present producer calls off what was asked before.
   * `onSwitched` reports that the consumer has gone over, or that it was there already.
   */
  void switchConsumer(uint32_t consumer, uint32_t producer, int64_t nowUs);
  void setTargetBitrate(uint32_t consumer, double bitrateBps);
  void closeConsumer(uint32_t id);

  /** Whether ICE has proven that a viewer is there. */
  bool knows(int socket, const SocketAddress& from) { return endpoints_.ownerOf(socket, from) != nullptr; }
  /** A TCP connection is closed. Media that went there waits until the viewer has another pair. */
  void disconnected(int socket, const SocketAddress& from, int64_t nowUs);
  /** The same of all that the viewer was reached at by a socket that is closed. */
  void socketClosed(uint32_t endpoint, int socket, int64_t nowUs);
  /** TCP connections that their viewer has got too many of, since it was asked last. */
  std::vector<PacketSource> takeAbandoned() { return endpoints_.takeAbandoned(); }
  /** @param data is decrypted in place */
  void receive(int socket, const SocketAddress& from, MutableBytes data, int64_t nowUs);

  /**
   * Sends what is due, at most about `maxPackets`.
   * @returns when to call again: `nowUs` where there is more to do, nothing where there is none until
   * something comes
   */
  std::optional<int64_t> advance(int64_t nowUs, size_t maxPackets);

 private:
  struct Shard {
    /** Null: it is `ownShard_`. */
    ShardLink* link = nullptr;
    size_t viewers = 0;
  };
  struct Transport {
    uint32_t endpoint = 0;
    size_t shard = 0;
    /** Those that a closed producer has taken along are forgotten with the transport, which admits few. */
    std::unordered_set<uint32_t> consumers;
  };

  DtlsLink& dtls() { return otherDtls_ == nullptr ? ownDtls_ : *otherDtls_; }
  void onDtlsDatagram(uint32_t endpoint, Bytes datagram) override { sendDtlsDatagram(endpoint, datagram); }
  void onDtlsConnected(uint32_t endpoint, SrtpSession srtp) override {
    setDtlsKeys(endpoint, std::move(srtp));
    listener_.onDtlsConnected(endpoint);
  }
  void onDtlsData(uint32_t endpoint, Bytes data) override { listener_.onDtlsData(endpoint, data); }
  void onDtlsEnded(uint32_t endpoint, DtlsFault fault) override {
    setDtlsKeys(endpoint, std::nullopt);
    listener_.onDtlsEnded(endpoint, fault);
  }

  void receiveDtls(int socket, const SocketAddress& from, Bytes data, int64_t nowUs);
  void askForConsent(int64_t nowUs);
  void receiveStun(int socket, const SocketAddress& from, MutableBytes data, int64_t nowUs);
  void receiveRtcp(int socket, const SocketAddress& from, MutableBytes data, int64_t nowUs);
  void select(const Endpoint& endpoint, int64_t nowUs);
  void unselect(const Endpoint& endpoint, int64_t nowUs);
  /** Where a new viewer is sent from. */
  size_t chooseShard() const;
  /** The endpoint must have a transport. */
  Shard& shardOf(const Endpoint& endpoint) { return shards_[transports_.at(*endpoint.transport).shard]; }
  /** Null if the consumer is unknown. */
  Shard* shardOfConsumer(uint32_t id);
  /** By one generator with the core's own shard, so that a seed repeats all that happens. */
  uint32_t random() { return ownShard_.has_value() ? ownShard_->random() : static_cast<uint32_t>(random_()); }
  /** Calls the shard, on its own thread. */
  template <typename Call>
  void callShard(const Shard& shard, int64_t nowUs, Call&& call) {
    if (shard.link == nullptr) {
      call(*ownShard_, nowUs);
    } else {
      shard.link->post(std::forward<Call>(call));
    }
  }

  DatagramSender& sender_;
  MediaCoreListener& listener_;
  PlaneStats& stats_;
  std::mt19937 random_;
  EndpointRegistry endpoints_;
  ConsentKeeper consents_;
  DtlsRegistry ownDtls_;
  DtlsLink* otherDtls_;
  std::optional<MediaShard> ownShard_;
  std::vector<Shard> shards_;
  /** How many frames each has sent. */
  std::unordered_map<uint32_t, int64_t> producers_;
  std::unordered_map<uint32_t, Transport> transports_;
  /** The transport of each. */
  std::unordered_map<uint32_t, uint32_t> consumers_;
};

}  // namespace streamkit
