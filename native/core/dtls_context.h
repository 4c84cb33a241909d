#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string_view>

namespace streamkit {

/** What all DTLS endpoints of a plane share: the certificate that peers are shown, and what is negotiated. */
class DtlsContext {
 public:
  /** UDP payload of a handshake datagram at most, as for media: every path carries it. */
  static constexpr long kMtuBytes = 1200;

  /** @returns null if the certificate and its key, both PEM, cannot be used */
  static std::shared_ptr<DtlsContext> create(std::string_view certificatePem, std::string_view keyPem);
  ~DtlsContext() { SSL_CTX_free(context_); }
  DtlsContext(const DtlsContext&) = delete;
  DtlsContext& operator=(const DtlsContext&) = delete;

  SSL_CTX* get() const { return context_; }

 private:
  explicit DtlsContext(SSL_CTX* context) : context_(context) {}

  SSL_CTX* context_;
};

}  // namespace streamkit
