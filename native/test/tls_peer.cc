#include "tls_peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>

#include "test.h"

namespace streamkit::test {

TlsPeer::TlsPeer(const Certificate& certificate, int version) : context_(SSL_CTX_new(TLS_server_method())) {
  const auto memoryOf = [](const std::string& pem) {
    return BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  };
  BIO* const certificatePem = memoryOf(certificate.certificatePem);
  BIO* const keyPem = memoryOf(certificate.keyPem);
  X509* const x509 = PEM_read_bio_X509(certificatePem, nullptr, nullptr, nullptr);
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(keyPem, nullptr, nullptr, nullptr);
  EXPECT(SSL_CTX_use_certificate(context_, x509) == 1 && SSL_CTX_use_PrivateKey(context_, key) == 1);
  X509_free(x509);
  EVP_PKEY_free(key);
  BIO_free(certificatePem);
  BIO_free(keyPem);
  SSL_CTX_set_min_proto_version(context_, version);
  SSL_CTX_set_max_proto_version(context_, version);
  SSL_CTX_set_alpn_select_cb(
      context_,
      [](SSL*, const uint8_t** chosen, uint8_t* bytes, const uint8_t* offered, unsigned, void*) {
        *bytes = offered[0];
        *chosen = offered + 1;
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  ssl_ = SSL_new(context_);
  BIO* const bio = EndpointBio<TlsPeer>::create(*this);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

TlsPeer::~TlsPeer() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

void TlsPeer::receive(Bytes records) {
  received_ = records;
  std::array<uint8_t, 16 * 1024> data;
  while (true) {
    ERR_clear_error();
    const int bytes = SSL_read(ssl_, data.data(), static_cast<int>(data.size()));
    if (bytes <= 0) {
      const int error = SSL_get_error(ssl_, bytes);
      hasFailed_ = hasFailed_ || (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN);
      break;
    }
    data_.insert(data_.end(), data.begin(), data.begin() + bytes);
  }
  ERR_clear_error();
  received_ = {};
}

void TlsPeer::send(Bytes data) {
  EXPECT_EQ(SSL_write(ssl_, data.data(), static_cast<int>(data.size())), static_cast<int>(data.size()));
}

void TlsPeer::renegotiate() {
  EXPECT_EQ(SSL_renegotiate(ssl_), 1);
  SSL_do_handshake(ssl_);
}

void TlsPeer::updateKey() {
  EXPECT_EQ(SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED), 1);
  SSL_do_handshake(ssl_);
}

void TlsPeer::close() {
  SSL_shutdown(ssl_);
}

std::vector<uint8_t> TlsPeer::takeRecords() {
  std::vector<uint8_t> taken;
  taken.swap(records_);
  return taken;
}

std::vector<uint8_t> TlsPeer::takeData() {
  std::vector<uint8_t> taken;
  taken.swap(data_);
  return taken;
}

std::string TlsPeer::protocol() const {
  const uint8_t* chosen = nullptr;
  unsigned bytes = 0;
  SSL_get0_alpn_selected(ssl_, &chosen, &bytes);
  return {reinterpret_cast<const char*>(chosen), bytes};
}

std::string TlsPeer::name() const {
  const char* const name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

size_t TlsPeer::take(MutableBytes to) {
  const size_t bytes = std::min(received_.size(), to.size());
  std::copy_n(received_.begin(), bytes, to.begin());
  received_ = received_.subspan(bytes);
  return bytes;
}

}  // namespace streamkit::test
