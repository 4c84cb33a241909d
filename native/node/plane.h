#pragma once

#include <node_api.h>

#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "../io/event_queue.h"
#include "../io/io_thread.h"

namespace streamkit {

/**
 * A plane as JavaScript sees it: on its thread, with what can be answered there at once (which ids are open,
 * the figures), before the I/O thread.
 */
class Plane {
 public:
  struct Bound {
    int socket;
    uint16_t port;
  };

  /** @param sendThreads see IoThread */
  Plane(napi_env env, const MediaCore::Options& options, bool gso, size_t sendThreads);
  ~Plane();
  Plane(const Plane&) = delete;
  Plane& operator=(const Plane&) = delete;

  /** @returns false with an exception pending */
  bool start(napi_env env, napi_value onEvents);
  bool open() const { return thread_ != nullptr; }
  /** Idempotent. */
  void close();

  IoThread& thread() { return *thread_; }
  uint32_t nextId() { return nextId_++; }
  std::optional<Bound> bind(const SocketAddress& address, int& error);
  /** The same for TCP connections of viewers. */
  std::optional<Bound> listen(const SocketAddress& address, int& error);

  /** Opens a socket to a TURN server; see RelaySockets::open. */
  RelaySockets::Opened openRelay(uint32_t endpoint, const SocketAddress& local, const SocketAddress& server);
  /** Connects to a TURN server; see RelaySockets::dial. */
  RelaySockets::Opened dialRelay(uint32_t endpoint, const SocketAddress& server,
                                 std::unique_ptr<TlsClient> tls);
  /** Of connections to TURN servers; null until their certificates can be verified. */
  std::shared_ptr<TlsContext> tls;

  struct OpenTransport {
    uint32_t endpoint;
    std::shared_ptr<TransportStats> stats;
    std::unordered_set<uint32_t> ssrcs;
    std::unordered_set<uint32_t> consumers;
  };
  struct OpenConsumer {
    uint32_t transport;
    uint32_t producer;
    /** The producer that it was last told to go over to; 0: none. */
    uint32_t target;
    uint32_t ssrc;
    uint32_t rtxSsrc;
    uint32_t fecSsrc;
    std::shared_ptr<ConsumerStats> stats;
  };

  /** The transport of each; 0: it has none. */
  std::unordered_map<uint32_t, uint32_t> endpoints;
  std::unordered_set<uint32_t> producers;
  std::unordered_map<uint32_t, OpenTransport> transports;
  std::unordered_map<uint32_t, OpenConsumer> consumers;
  std::unordered_map<uint32_t, std::shared_ptr<MediaSocketStats>> mediaSockets;
  /** Sockets to TURN servers, and the endpoint of each. */
  std::unordered_map<uint32_t, uint32_t> relays;

  void forgetConsumer(uint32_t id);
  /** Forgets its consumers too, except those that go over to another producer. */
  void forgetProducer(uint32_t id);
  void forgetTransport(uint32_t id);
  /** Closes its sockets to TURN servers. */
  void forgetEndpoint(uint32_t id);

  /** Adds what all threads have done; nothing once the plane is closed. */
  void addStats(PlaneStats& sum) const;
  uint64_t eventsDropped() const { return events_.dropped(); }

 private:
  /** Remembers the socket, if there is one. @returns `opened` */
  RelaySockets::Opened kept(uint32_t endpoint, const RelaySockets::Opened& opened);
  static void onEnvironmentEnds(void* plane);
  static void callJavaScript(napi_env env, napi_value onEvents, void* plane, void* data);
  void wake();
  /** It has gone over to another producer; if that one is closed already, so is the consumer. */
  void moveConsumer(uint32_t id, uint32_t producer);
  /** Its SSRCs may be used again on its transport. */
  void leaveTransport(uint32_t id, const OpenConsumer& consumer);

  napi_env env_;
  MediaCore::Options options_;
  bool gso_;
  size_t sendThreads_;
  EventQueue events_;
  napi_threadsafe_function function_ = nullptr;
  std::unique_ptr<IoThread> thread_;
  std::unordered_map<SocketAddress, Bound, SocketAddressHash> bound_;
  std::unordered_map<SocketAddress, Bound, SocketAddressHash> listening_;
  uint32_t nextId_ = 1;
};

}  // namespace streamkit
