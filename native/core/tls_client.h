#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "bytes.h"
#include "endpoint_bio.h"
#include "tls_context.h"

namespace streamkit {

/**
 * Our end of TLS 1.2 or 1.3 to a TURN server (RFC 8446; ALPN as RFC 7443), without a socket: records and data
 * go in; data and records come out. The server must have a certificate for its name, of an authority that is
 * trusted. It is for one thread at a time.
 */
class TlsClient {
 public:
  using Records = std::vector<uint8_t>;

  /** Data that waits for the handshake. */
  static constexpr size_t kMaxEarlyBytes = 4 * 1024;
  /** RFC 8446 section 5.1. */
  static constexpr size_t kMaxRecordDataBytes = 16 * 1024;
  /** Header, nonce and tag of a record have 29 bytes at most (RFC 5288). */
  static constexpr size_t kRecordOverheadBytes = 64;

  /** What records with that much data have at most, unless the handshake is still going on. */
  static constexpr size_t recordBytes(size_t dataBytes) {
    return dataBytes + (dataBytes / kMaxRecordDataBytes + 1) * kRecordOverheadBytes;
  }

  /** @param serverName a domain name, or an IP address */
  TlsClient(std::shared_ptr<TlsContext> context, const std::string& serverName);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // What is to be sent to the server is appended to `records`.

  /**
   * Begins the handshake, and encrypts the data once that is done.
   * @returns false if the data is dropped: too much waits for the handshake, or the connection has ended
   */
  bool send(Bytes data, Records& records);
  /**
   * @param received from the server; what is read is taken away, which is all once there is no data
   * @param to is filled with data of one record, as far as it has room
   * @returns how much data there is; to be called again until there is none
   */
  size_t read(Bytes& received, MutableBytes to, Records& records);
  /** Tells the server that nothing more comes. */
  void close(Records& records);

  /** The handshake is done. */
  bool isConnected() const { return SSL_is_init_finished(ssl_) == 1; }
  bool isEnded() const { return !endReason_.empty(); }
  void end(std::string reason);
  /** Empty: it has not. */
  const std::string& endReason() const { return endReason_; }

 private:
  bool write(Bytes data);
  /** Of a call of OpenSSL that returned no more than 0. */
  void endUnlessWaiting(int result);
  size_t take(MutableBytes to);
  void written(Bytes records) { records_->insert(records_->end(), records.begin(), records.end()); }

  friend class EndpointBio<TlsClient>;

  std::shared_ptr<TlsContext> context_;
  SSL* ssl_;
  std::vector<uint8_t> early_;
  std::string endReason_;
  // While a call goes on.
  Bytes received_;
  Records* records_ = nullptr;
};

}  // namespace streamkit
