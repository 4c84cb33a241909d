#pragma once

#include <deque>
#include <memory>
#include <set>
#include <unordered_map>

#include "dtls_link.h"

namespace streamkit {

/**
 * The DTLS endpoints of all viewers. A handshake costs some 0.5 ms, so their datagrams wait for `advance`,
 * which takes one at a time: data of those who are connected goes first.
 */
class DtlsRegistry final : public DtlsLink {
 public:
  /** Handshakes at once; one more fails. */
  static constexpr size_t kMaxHandshakes = 512;
  /** Datagrams of one viewer that wait, before its endpoint is started or for their turn; more are dropped.
   */
  static constexpr size_t kMaxWaiting = 8;

  explicit DtlsRegistry(DtlsEndpoint::Listener& listener) : listener_(listener) {}

  void setContext(std::shared_ptr<DtlsContext> context) override { context_ = std::move(context); }
  /** What waits for the endpoint is received with the next `advance`. */
  void start(uint32_t id, DtlsRole role, DtlsFingerprints fingerprints, int64_t nowUs) override;
  bool receive(uint32_t id, Bytes datagram, int64_t nowUs) override;
  bool send(uint32_t id, Bytes data) override;
  void close(uint32_t id) override;

  /** @returns when to call again, or nothing until something comes */
  std::optional<int64_t> advance(int64_t nowUs);

 private:
  struct Session {
    std::unique_ptr<DtlsEndpoint> endpoint;
    std::deque<std::vector<uint8_t>> waiting;
    bool isQueued = false;
    /** The key of its entry in `due_`. */
    std::optional<int64_t> dueUs;
  };

  void queue(uint32_t id, Session& session);
  void schedule(uint32_t id, Session& session);
  bool receiveNext(uint32_t id, int64_t nowUs);

  DtlsEndpoint::Listener& listener_;
  std::shared_ptr<DtlsContext> context_;
  std::unordered_map<uint32_t, Session> sessions_;
  /** Endpoints whose datagrams wait for their turn. */
  std::deque<uint32_t> queue_;
  /** Handshakes under way, by when they are due. */
  std::set<std::pair<int64_t, uint32_t>> due_;
};

}  // namespace streamkit
