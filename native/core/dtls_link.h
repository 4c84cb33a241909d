#pragma once

#include <memory>

#include "dtls_endpoint.h"

namespace streamkit {

/**
 * The way to the DTLS endpoints of all viewers, by the ids of their ICE endpoints: here, or on a thread of
 * their own. What is handed over takes effect in its order.
 */
class DtlsLink {
 public:
  /** To be called before the first `start`. */
  virtual void setContext(std::shared_ptr<DtlsContext> context) = 0;
  /** Begins the handshake; datagrams that came before it count. Ignored if it has begun. */
  virtual void start(uint32_t id, DtlsRole role, DtlsFingerprints fingerprints, int64_t nowUs) = 0;
  /** Bounded. @returns false if the datagram was dropped */
  virtual bool receive(uint32_t id, Bytes datagram, int64_t nowUs) = 0;
  /** Application data: one record. @returns false if it was dropped, or if there is no connection */
  virtual bool send(uint32_t id, Bytes data) = 0;
  virtual void close(uint32_t id) = 0;

 protected:
  ~DtlsLink() = default;
};

}  // namespace streamkit
