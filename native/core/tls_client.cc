#include "tls_client.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

namespace streamkit {
namespace {

/** RFC 7443 section 3, behind its length. */
constexpr uint8_t kProtocols[] = {9, 's', 't', 'u', 'n', '.', 't', 'u', 'r', 'n'};

/** Whose certificate is asked for and accepted. */
bool setServerName(SSL* ssl, const std::string& name) {
  X509_VERIFY_PARAM* const parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // RFC 6066 section 3 has no addresses as names of servers. A dot at the beginning would let OpenSSL accept
  // every name that ends so.
  return X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1 ||
         (!name.empty() && name.front() != '.' &&
          X509_VERIFY_PARAM_set1_host(parameters, name.data(), name.size()) == 1 &&
          SSL_set_tlsext_host_name(ssl, name.c_str()) == 1);
}

}  // namespace

TlsClient::TlsClient(std::shared_ptr<TlsContext> context, const std::string& serverName)
    : context_(std::move(context)), ssl_(SSL_new(context_->get())) {
  BIO* const bio = ssl_ == nullptr ? nullptr : EndpointBio<TlsClient>::create(*this);
  if (bio != nullptr) {
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_connect_state(ssl_);
  }
  // It returns 0 if it succeeds.
  if (bio == nullptr || !setServerName(ssl_, serverName) ||
      SSL_set_alpn_protos(ssl_, kProtocols, sizeof kProtocols) != 0) {
    end("TLS cannot be set up for the name " + serverName);
  }
  ERR_clear_error();
}

TlsClient::~TlsClient() {
  SSL_free(ssl_);
}

bool TlsClient::send(Bytes data, Records& records) {
  if (isEnded()) {
    return false;
  }
  records_ = &records;
  if (isConnected()) {
    return write(data);
  }
  ERR_clear_error();
  endUnlessWaiting(SSL_do_handshake(ssl_));
  if (isEnded() || early_.size() + data.size() > kMaxEarlyBytes) {
    return false;
  }
  early_.insert(early_.end(), data.begin(), data.end());
  return true;
}

bool TlsClient::write(Bytes data) {
  ERR_clear_error();
  const int written = SSL_write(ssl_, data.data(), static_cast<int>(data.size()));
  if (written > 0) {
    return true;
  }
  endUnlessWaiting(written);
  return false;
}

size_t TlsClient::read(Bytes& received, MutableBytes to, Records& records) {
  if (isEnded()) {
    return 0;
  }
  received_ = received;
  records_ = &records;
  ERR_clear_error();
  const int bytes = SSL_read(ssl_, to.data(), static_cast<int>(to.size()));
  received = received_;
  received_ = {};
  if (bytes <= 0) {
    endUnlessWaiting(bytes);
  }
  if (!isEnded() && !early_.empty() && isConnected()) {
    write(early_);
    early_ = {};
  }
  return static_cast<size_t>(std::max(bytes, 0));
}

void TlsClient::close(Records& records) {
  if (isEnded() || !isConnected()) {
    return;
  }
  records_ = &records;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
  end("it is closed");
}

void TlsClient::end(std::string reason) {
  endReason_ = std::move(reason);
  early_ = {};
}

void TlsClient::endUnlessWaiting(int result) {
  const int error = SSL_get_error(ssl_, result);
  const long verified = SSL_get_verify_result(ssl_);
  const char* const fault = ERR_reason_error_string(ERR_peek_last_error());
  if (error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ) {
    // It goes on.
  } else if (error == SSL_ERROR_ZERO_RETURN) {
    end("the server has closed the TLS connection");
  } else if (verified != X509_V_OK) {
    end(std::string("the certificate of the TLS server is refused: ") +
        X509_verify_cert_error_string(verified));
  } else {
    end(std::string("TLS has failed: ") + (fault == nullptr ? "no reason is known" : fault));
  }
  ERR_clear_error();
}

size_t TlsClient::take(MutableBytes to) {
  const size_t bytes = std::min(received_.size(), to.size());
  if (bytes == 0) {
    return 0;
  }
  std::memcpy(to.data(), received_.data(), bytes);
  received_ = received_.subspan(bytes);
  return bytes;
}

}  // namespace streamkit
