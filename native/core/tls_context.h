#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string_view>

namespace streamkit {

/** What all TLS connections to TURN servers share: whom they trust, and what is negotiated. */
class TlsContext {
 public:
  /**
   * @param authoritiesPem certificates of the authorities that are trusted, PEM, one after another
   * @param withSystem trusts those of OpenSSL's default file and folder too (SSL_CERT_FILE, SSL_CERT_DIR)
   * @returns null if there is neither a certificate that can be read nor the system's
   */
  static std::shared_ptr<TlsContext> create(std::string_view authoritiesPem, bool withSystem);
  ~TlsContext() { SSL_CTX_free(context_); }
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  SSL_CTX* get() const { return context_; }

 private:
  explicit TlsContext(SSL_CTX* context) : context_(context) {}

  SSL_CTX* context_;
};

}  // namespace streamkit
