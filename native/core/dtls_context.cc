#include "dtls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "dtls_endpoint.h"

namespace streamkit {
namespace {

/** All with forward secrecy, and with the certificates that browsers make; RFC 8827 section 6.5 demands the
 * first. */
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-AES128-SHA";
constexpr const char* kSrtpProfiles = "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
/** A browser's certificate has some 300 bytes. OpenSSL keeps no fragments of longer messages. */
constexpr long kMaxCertificateListBytes = 8 * 1024;

template <typename Value, typename Read>
Value* readPem(std::string_view pem, Read&& read) {
  BIO* const memory = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  Value* const value = memory == nullptr ? nullptr : read(memory, nullptr, nullptr, nullptr);
  BIO_free(memory);
  return value;
}

}  // namespace

std::shared_ptr<DtlsContext> DtlsContext::create(std::string_view certificatePem, std::string_view keyPem) {
  SSL_CTX* const context = SSL_CTX_new(DTLS_method());
  if (context == nullptr) {
    return nullptr;
  }
  std::shared_ptr<DtlsContext> made(new DtlsContext(context));
  X509* const certificate = readPem<X509>(certificatePem, PEM_read_bio_X509);
  EVP_PKEY* const key = readPem<EVP_PKEY>(keyPem, PEM_read_bio_PrivateKey);
  const bool isUsable = certificate != nullptr && key != nullptr &&
                        SSL_CTX_use_certificate(context, certificate) == 1 &&
                        SSL_CTX_use_PrivateKey(context, key) == 1;
  X509_free(certificate);
  EVP_PKEY_free(key);
  // use_srtp returns 0 if it succeeds.
  const bool isSet = isUsable && SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) == 1 &&
                     SSL_CTX_set_cipher_list(context, kCiphers) == 1 &&
                     SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1 &&
                     SSL_CTX_set_tlsext_use_srtp(context, kSrtpProfiles) == 0;
  ERR_clear_error();
  if (!isSet) {
    return nullptr;
  }
  SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(context, kMaxCertificateListBytes);
  // No cookie (RFC 6347 section 4.2.1): a datagram counts only if it comes from an address that ICE has
  // proven.
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, DtlsEndpoint::verify, nullptr);
  return made;
}

}  // namespace streamkit
