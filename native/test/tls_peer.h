#pragma once

#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/endpoint_bio.h"
#include "dtls_certificate.h"

namespace streamkit::test {

/** A server's end of TLS without a socket. */
class TlsPeer {
 public:
  /** @param version as OpenSSL has it; 0: any */
  explicit TlsPeer(const Certificate& certificate, int version = 0);
  ~TlsPeer();
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  void receive(Bytes records);
  void send(Bytes data);
  /** Asks for a new handshake, which TLS 1.2 has. */
  void renegotiate();
  /** Sends a new key and asks for one, as TLS 1.3 has it. */
  void updateKey();
  /** Says that nothing more comes. */
  void close();

  /** What is to be sent to the client. */
  std::vector<uint8_t> takeRecords();
  /** What the client has sent. */
  std::vector<uint8_t> takeData();
  bool isConnected() const { return SSL_is_init_finished(ssl_) == 1; }
  /** The client has said that nothing more comes. */
  bool isClosed() const { return (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0; }
  /** The client has refused something. */
  bool hasFailed() const { return hasFailed_; }
  int version() const { return SSL_version(ssl_); }
  /** What the client asks for. */
  std::string protocol() const;
  std::string name() const;

 private:
  size_t take(MutableBytes to);
  void written(Bytes records) { records_.insert(records_.end(), records.begin(), records.end()); }

  friend class EndpointBio<TlsPeer>;

  SSL_CTX* context_;
  SSL* ssl_;
  bool hasFailed_ = false;
  Bytes received_;
  std::vector<uint8_t> records_;
  std::vector<uint8_t> data_;
};

}  // namespace streamkit::test
