#include "dtls_client.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace bench {

namespace {

constexpr int kMtuBytes = 1200;
constexpr size_t kMaxRecordBytes = 16384;
constexpr unsigned int kFirstTimeoutUs = 50'000;
constexpr unsigned int kLastTimeoutUs = 3'000'000;

std::string fingerprintOf(const X509* certificate) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int digestBytes = 0;
  X509_digest(certificate, EVP_sha256(), digest, &digestBytes);
  std::string text;
  for (unsigned int i = 0; i < digestBytes; i++) {
    char hex[4];
    std::snprintf(hex, sizeof hex, i == 0 ? "%02X" : ":%02X", digest[i]);
    text += hex;
  }
  return text;
}

}  // namespace

DtlsContext::DtlsContext() {
  key_ = EVP_EC_gen("P-256");
  certificate_ = X509_new();
  context_ = SSL_CTX_new(DTLS_client_method());
  if (key_ == nullptr || certificate_ == nullptr || context_ == nullptr) {
    throw std::runtime_error("OpenSSL gives no DTLS client");
  }
  X509_set_version(certificate_, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate_), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate_), -86'400);
  X509_gmtime_adj(X509_getm_notAfter(certificate_), 30L * 86'400);
  X509_NAME* name = X509_get_subject_name(certificate_);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const uint8_t*>("bench"), -1, -1, 0);
  X509_set_issuer_name(certificate_, name);
  X509_set_pubkey(certificate_, key_);
  X509_sign(certificate_, key_, EVP_sha256());
  fingerprint_ = fingerprintOf(certificate_);

  SSL_CTX_use_certificate(context_, certificate_);
  SSL_CTX_use_PrivateKey(context_, key_);
  // The server's certificate is self-signed: its fingerprint is compared instead.
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(
      context_, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  // Returns 0 where it succeeds.
  if (SSL_CTX_set_tlsext_use_srtp(context_, "SRTP_AEAD_AES_128_GCM") != 0) {
    throw std::runtime_error("OpenSSL knows no SRTP_AEAD_AES_128_GCM");
  }
}

DtlsContext::~DtlsContext() {
  SSL_CTX_free(context_);
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

DtlsClient::DtlsClient(const DtlsContext& context, Send send)
    : ssl_(SSL_new(context.get())),
      input_(BIO_new(BIO_s_mem())),
      output_(BIO_new(BIO_s_mem())),
      send_(std::move(send)) {
  BIO_set_mem_eof_return(input_, -1);
  BIO_set_mem_eof_return(output_, -1);
  SSL_set_bio(ssl_, input_, output_);
  SSL_set_options(ssl_, SSL_OP_NO_QUERY_MTU);
  SSL_set_mtu(ssl_, kMtuBytes);
  SSL_set_connect_state(ssl_);
  // A server that is not ready yet drops the first flight: browsers repeat it after 50 ms, OpenSSL after 1 s.
  DTLS_set_timer_cb(ssl_, [](SSL*, unsigned int us) {
    return us == 0 ? kFirstTimeoutUs : std::min(2 * us, kLastTimeoutUs);
  });
}

DtlsClient::~DtlsClient() {
  SSL_free(ssl_);
}

void DtlsClient::start(std::string remoteFingerprint) {
  remoteFingerprint_ = std::move(remoteFingerprint);
  advance();
}

void DtlsClient::receive(const uint8_t* data, size_t size) {
  if (state_ == State::failed || state_ == State::closed)
    return;
  BIO_write(input_, data, static_cast<int>(size));
  if (state_ == State::handshaking) {
    advance();
    return;
  }
  uint8_t record[kMaxRecordBytes];
  if (SSL_read(ssl_, record, sizeof record) <= 0 && (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0) {
    state_ = State::closed;
  }
  // A retransmitted last flight of the server is answered here.
  flush();
}

void DtlsClient::onTimer() {
  if (state_ == State::handshaking && DTLSv1_handle_timeout(ssl_) > 0)
    flush();
}

void DtlsClient::close() {
  if (state_ == State::connected) {
    SSL_shutdown(ssl_);
    flush();
    state_ = State::closed;
  }
}

void DtlsClient::advance() {
  const int result = SSL_do_handshake(ssl_);
  flush();
  if (result == 1) {
    state_ = finish() ? State::connected : State::failed;
  } else if (SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) {
    state_ = State::failed;
  }
  ERR_clear_error();
}

bool DtlsClient::finish() {
  X509* certificate = SSL_get1_peer_certificate(ssl_);
  const bool trusted = certificate != nullptr && fingerprintOf(certificate) == remoteFingerprint_;
  X509_free(certificate);
  if (!trusted || SSL_get_selected_srtp_profile(ssl_) == nullptr)
    return false;
  // RFC 5764 section 4.2: client key, server key, client salt, server salt.
  uint8_t material[56];
  static constexpr char kLabel[] = "EXTRACTOR-dtls_srtp";
  if (SSL_export_keying_material(ssl_, material, sizeof material, kLabel, sizeof kLabel - 1, nullptr, 0, 0) !=
      1) {
    return false;
  }
  std::memcpy(keys_.localKey.data(), material, 16);
  std::memcpy(keys_.remoteKey.data(), material + 16, 16);
  std::memcpy(keys_.localSalt.data(), material + 32, 12);
  std::memcpy(keys_.remoteSalt.data(), material + 44, 12);
  return true;
}

/** A memory BIO keeps no datagram boundaries: records are told apart by their own lengths (RFC 6347
 * section 4.1). */
void DtlsClient::flush() {
  uint8_t flight[kMaxRecordBytes];
  int size = 0;
  while ((size = BIO_read(output_, flight, sizeof flight)) > 0) {
    size_t at = 0;
    while (at + 13 <= static_cast<size_t>(size)) {
      const size_t record = 13 + static_cast<size_t>(flight[at + 11] << 8 | flight[at + 12]);
      send_(flight + at, record);
      at += record;
    }
  }
}

}  // namespace bench
