#pragma once

#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "io_thread.h"

namespace streamkit {

struct Event {
  enum class Type {
    kPacket,
    kKeyframe,
    kSwitched,
    kConsentLost,
    kEstimate,
    kMediaSocketFailed,
    kDtlsConnected,
    kDtlsData,
    kDtlsEnded,
    kRelayAnswer,
    kRelayEnded
  };

  Type type;
  /** The id of an endpoint, producer, consumer, consent, transport or media socket, depending on the type. */
  uint32_t id;
  int socket = -1;
  /** That a consumer goes on with. */
  uint32_t producer = 0;
  SocketAddress from{};
  std::vector<uint8_t> data{};
  double bitrateBps = 0;
  MediaFault fault = MediaFault::kClosed;
  DtlsFault dtlsFault = DtlsFault::kClosed;
  /** Of the end of a connection to a TURN server. */
  std::string reason{};
};

/**
 * What the plane's threads have to tell, until the other side takes it. Bounded: at kMaxEvents further
 * packets, data of DTLS, answers of TURN servers and estimates are dropped and counted; their senders repeat
 * themselves. The same holds for those of one viewer beyond kMaxEventsOfOne, so that it cannot keep out those
 * of all others. Keyframe requests are not dropped: there is at most one of a producer in the queue; nor are
 * lost consents, failed media sockets and connections to TURN servers that end: each is lost, fails or ends
 * once. The same holds for the beginning and the end of a DTLS connection, and for switches, of which each
 * was ordered.
 */
class EventQueue final : public IoThread::Listener {
 public:
  static constexpr size_t kMaxEvents = 8192;
  /** Limit per endpoint or transport: what a controller sends while JavaScript is blocked for half a second.
   * What TURN servers answer an endpoint counts with it. */
  static constexpr size_t kMaxEventsOfOne = 512;

  /** @param wake is called on the thread that tells something, if the queue was empty */
  explicit EventQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  std::vector<Event> take() {
    const std::lock_guard lock(mutex_);
    std::vector<Event> taken;
    taken.swap(events_);
    counts_.clear();
    return taken;
  }
  uint64_t dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
  }

  void onPacket(uint32_t endpoint, int socket, const SocketAddress& from, Bytes data) override {
    Event event{Event::Type::kPacket, endpoint};
    event.socket = socket;
    event.from = from;
    event.data.assign(data.begin(), data.end());
    push(std::move(event));
  }
  void onKeyframeWanted(uint32_t producer) override { push({Event::Type::kKeyframe, producer}); }
  void onSwitched(uint32_t consumer, uint32_t producer) override {
    Event event{Event::Type::kSwitched, consumer};
    event.producer = producer;
    push(std::move(event));
  }
  void onConsentLost(uint32_t consent) override { push({Event::Type::kConsentLost, consent}); }
  void onDtlsConnected(uint32_t endpoint) override { push({Event::Type::kDtlsConnected, endpoint}); }
  void onDtlsData(uint32_t endpoint, Bytes data) override {
    Event event{Event::Type::kDtlsData, endpoint};
    event.data.assign(data.begin(), data.end());
    push(std::move(event));
  }
  void onDtlsEnded(uint32_t endpoint, DtlsFault fault) override {
    Event event{Event::Type::kDtlsEnded, endpoint};
    event.dtlsFault = fault;
    push(std::move(event));
  }
  void onEstimate(uint32_t transport, double bitrateBps) override {
    Event event{Event::Type::kEstimate, transport};
    event.bitrateBps = bitrateBps;
    push(std::move(event));
  }
  void onRelayAnswer(uint32_t endpoint, int socket, Bytes message) override {
    Event event{Event::Type::kRelayAnswer, endpoint};
    event.socket = socket;
    event.data.assign(message.begin(), message.end());
    push(std::move(event));
  }
  void onRelayEnded(uint32_t endpoint, int socket, const std::string& reason) override {
    Event event{Event::Type::kRelayEnded, endpoint};
    event.socket = socket;
    event.reason = reason;
    push(std::move(event));
  }
  void onMediaSocketFailed(uint32_t id, MediaFault fault) override {
    Event event{Event::Type::kMediaSocketFailed, id};
    event.fault = fault;
    push(std::move(event));
  }

 private:
  /** The newest estimate of a transport takes the place of one that nobody has taken yet. */
  bool replaceEstimate(const Event& event) {
    for (Event& other : events_) {
      if (other.type == Event::Type::kEstimate && other.id == event.id) {
        other.bitrateBps = event.bitrateBps;
        return true;
      }
    }
    return false;
  }
  void push(Event event) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      if (event.type == Event::Type::kKeyframe) {
        for (const Event& other : events_) {
          if (other.type == Event::Type::kKeyframe && other.id == event.id) {
            return;
          }
        }
      } else if (event.type == Event::Type::kEstimate && replaceEstimate(event)) {
        return;
      } else if (event.type == Event::Type::kConsentLost || event.type == Event::Type::kMediaSocketFailed ||
                 event.type == Event::Type::kSwitched || event.type == Event::Type::kDtlsConnected ||
                 event.type == Event::Type::kDtlsEnded || event.type == Event::Type::kRelayEnded) {
        // Nobody would say it again.
      } else if (events_.size() >= kMaxEvents || counts_[event.id] >= kMaxEventsOfOne) {
        dropped_ += 1;
        return;
      } else {
        counts_[event.id] += 1;
      }
      first = events_.empty();
      events_.push_back(std::move(event));
    }
    if (first) {
      wake_();
    }
  }

  std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::vector<Event> events_;
  /** Packets, data, answers and estimates in the queue, by endpoint or transport. */
  std::unordered_map<uint32_t, size_t> counts_;
  uint64_t dropped_ = 0;
};

}  // namespace streamkit
