#include "tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

namespace streamkit {
namespace {

/** With forward secrecy and AEAD (RFC 9325 section 4.2), as TLS 1.3 has them all. */
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
/** Chains have some 5 KiB. OpenSSL ends the handshake at longer ones. */
constexpr long kMaxCertificateListBytes = 64 * 1024;

/** Nothing is encrypted: without this OpenSSL would ask at the terminal. */
int noPassphrase(char*, int, int, void*) {
  return 0;
}

/** Those that cannot be read are passed over. @returns how many were added */
size_t addCertificates(X509_STORE* store, std::string_view pem) {
  BIO* const memory = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  size_t added = 0;
  while (memory != nullptr) {
    X509* const certificate = PEM_read_bio_X509(memory, nullptr, noPassphrase, nullptr);
    if (certificate == nullptr) {
      const bool isEnd = ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_PEM &&
                         ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      ERR_clear_error();
      if (isEnd) {
        break;
      }
      continue;
    }
    added += X509_STORE_add_cert(store, certificate) == 1 ? 1 : 0;
    X509_free(certificate);
  }
  BIO_free(memory);
  return added;
}

}  // namespace

std::shared_ptr<TlsContext> TlsContext::create(std::string_view authoritiesPem, bool withSystem) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) {
    return nullptr;
  }
  std::shared_ptr<TlsContext> made(new TlsContext(context));
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  const bool hasSystem = withSystem && X509_STORE_set_default_paths(store) == 1;
  const bool trusts = addCertificates(store, authoritiesPem) > 0 || hasSystem;
  const bool isSet = trusts && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                     SSL_CTX_set_cipher_list(context, kTls12Ciphers) == 1;
  ERR_clear_error();
  if (!isSet) {
    return nullptr;
  }
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(context, kMaxCertificateListBytes);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return made;
}

}  // namespace streamkit
