#include "dtls_endpoint.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <algorithm>
#include <cstring>

namespace streamkit {
namespace {

/** RFC 6347 section 4.1: type, version, epoch, sequence number, length. */
constexpr size_t kRecordHeaderBytes = 13;
constexpr size_t kEpochAt = 3;
constexpr size_t kLengthAt = 11;
/** RFC 5288 section 3: a part of the nonce and the tag. */
constexpr size_t kLeastGcmBytes = 8 + 16;
/** The tag, or the initialisation vector, of the other ciphers. */
constexpr size_t kLeastOtherBytes = 16;

/** Whether an encrypted record is shorter than one of nothing would be. */
bool hasStub(Bytes datagram, size_t leastBytes) {
  while (datagram.size() >= kRecordHeaderBytes) {
    const size_t bytes = readU16(&datagram[kLengthAt]);
    if (readU16(&datagram[kEpochAt]) > 0 && bytes < leastBytes) {
      return true;
    }
    datagram = datagram.subspan(std::min(datagram.size(), kRecordHeaderBytes + bytes));
  }
  return false;
}

/** What a handshake encrypts is longer than both. */
size_t leastEncryptedBytes(const SSL* ssl) {
  const SSL_CIPHER* const cipher = ssl == nullptr ? nullptr : SSL_get_current_cipher(ssl);
  const int kind = cipher == nullptr ? NID_aes_128_gcm : SSL_CIPHER_get_cipher_nid(cipher);
  return kind == NID_aes_128_gcm || kind == NID_aes_256_gcm ? kLeastGcmBytes : kLeastOtherBytes;
}

}  // namespace

DtlsEndpoint::DtlsEndpoint(uint32_t id, std::shared_ptr<DtlsContext> context, DtlsRole role,
                           DtlsFingerprints fingerprints, Listener& listener, int64_t nowUs)
    : id_(id),
      context_(std::move(context)),
      fingerprints_(std::move(fingerprints)),
      listener_(listener),
      startedUs_(nowUs) {
  ssl_ = SSL_new(context_->get());
  BIO* const bio = ssl_ == nullptr ? nullptr : EndpointBio<DtlsEndpoint>::create(*this);
  if (bio == nullptr) {
    SSL_free(ssl_);
    ssl_ = nullptr;
    return;
  }
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, this);
  SSL_set_mtu(ssl_, DtlsContext::kMtuBytes);
  DTLS_set_timer_cb(ssl_, [](SSL*, unsigned us) {
    return static_cast<unsigned>(us == 0 ? kFirstTimeoutUs
                                         : std::min<int64_t>(2 * int64_t{us}, kLastTimeoutUs));
  });
  if (role == DtlsRole::kServer) {
    SSL_set_accept_state(ssl_);
  } else {
    SSL_set_connect_state(ssl_);
  }
}

DtlsEndpoint::~DtlsEndpoint() {
  SSL_free(ssl_);
}

int DtlsEndpoint::verify(X509_STORE_CTX* store, void*) {
  SSL* const ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  DtlsEndpoint& self = *static_cast<DtlsEndpoint*>(SSL_get_app_data(ssl));
  // That the peer has the certificate's key OpenSSL checks by CertificateVerify, or by the signed key
  // exchange.
  if (self.fingerprints_.match(X509_STORE_CTX_get0_cert(store))) {
    return 1;
  }
  self.handshakeFault_ = DtlsFault::kFingerprint;
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
  return 0;
}

void DtlsEndpoint::start(int64_t nowUs) {
  handshake(nowUs);
}

void DtlsEndpoint::receive(Bytes datagram, int64_t nowUs) {
  // RFC 6347 section 4.1.2.7 has invalid records dropped. At these OpenSSL ends the connection (3.0,
  // tls1_enc), and anybody can send one from the address of the peer.
  if (state_ == State::kEnded || hasStub(datagram, leastEncryptedBytes(ssl_))) {
    return;
  }
  incoming_ = datagram;
  if (state_ == State::kHandshaking) {
    handshake(nowUs);
  }
  if (state_ == State::kConnected) {
    readData();
  }
  incoming_ = {};
}

void DtlsEndpoint::handshake(int64_t nowUs) {
  if (ssl_ == nullptr) {
    end(DtlsFault::kHandshake);
    return;
  }
  ERR_clear_error();
  flightIsNew_ = true;
  const int result = SSL_do_handshake(ssl_);
  if (!flightIsNew_) {
    timeoutUs_ = kFirstTimeoutUs;
    resendAtUs_ = nowUs + timeoutUs_;
  }
  if (result == 1) {
    // A server whose last flight is lost sends it again when the client repeats its own: OpenSSL does that.
    flight_.clear();
    state_ = State::kConnected;
    if (auto srtp = deriveSrtp()) {
      listener_.onDtlsConnected(id_, std::move(*srtp));
    } else {
      end(DtlsFault::kNoSrtp);
    }
  } else if (SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) {
    end(handshakeFault_);
  }
  ERR_clear_error();
}

void DtlsEndpoint::readData() {
  uint8_t data[kMaxDataBytes];
  while (state_ == State::kConnected) {
    ERR_clear_error();
    const int size = SSL_read(ssl_, data, sizeof data);
    if (size > 0) {
      listener_.onDtlsData(id_, Bytes(data, static_cast<size_t>(size)));
      continue;
    }
    if (SSL_get_error(ssl_, size) != SSL_ERROR_WANT_READ) {
      end(DtlsFault::kClosed);
    }
    break;
  }
  ERR_clear_error();
}

bool DtlsEndpoint::send(Bytes data) {
  if (state_ != State::kConnected || data.empty() || data.size() > kMaxDataBytes) {
    return false;
  }
  ERR_clear_error();
  const int written = SSL_write(ssl_, data.data(), static_cast<int>(data.size()));
  ERR_clear_error();
  return written > 0;
}

size_t DtlsEndpoint::take(MutableBytes to) {
  const size_t bytes = std::min(incoming_.size(), to.size());
  if (bytes == 0) {
    return 0;
  }
  std::memcpy(to.data(), incoming_.data(), bytes);
  // Datagrams are kept apart: what does not fit is lost.
  incoming_ = {};
  return bytes;
}

void DtlsEndpoint::written(Bytes datagram) {
  if (state_ == State::kHandshaking) {
    // What OpenSSL writes while it takes one datagram is one flight, which answers the peer's.
    if (flightIsNew_) {
      flight_.clear();
      flightIsNew_ = false;
    }
    flight_.emplace_back(datagram.begin(), datagram.end());
  }
  listener_.onDtlsDatagram(id_, datagram);
}

std::optional<int64_t> DtlsEndpoint::dueUs() const {
  if (state_ != State::kHandshaking) {
    return std::nullopt;
  }
  const int64_t limitUs = startedUs_ + kHandshakeLimitUs;
  return flight_.empty() ? limitUs : std::min(limitUs, resendAtUs_);
}

void DtlsEndpoint::advance(int64_t nowUs) {
  if (state_ != State::kHandshaking) {
    return;
  }
  if (nowUs >= startedUs_ + kHandshakeLimitUs) {
    end(DtlsFault::kTimeout);
    return;
  }
  if (flight_.empty() || nowUs < resendAtUs_) {
    return;
  }
  timeoutUs_ = std::min(2 * timeoutUs_, kLastTimeoutUs);
  resendAtUs_ = nowUs + timeoutUs_;
  ERR_clear_error();
  flightIsNew_ = true;
  if (DTLSv1_handle_timeout(ssl_) > 0) {
    return;
  }
  ERR_clear_error();
  flightIsNew_ = false;
  for (const auto& datagram : flight_) {
    listener_.onDtlsDatagram(id_, datagram);
  }
}

std::optional<SrtpSession> DtlsEndpoint::deriveSrtp() {
  const SRTP_PROTECTION_PROFILE* const selected = SSL_get_selected_srtp_profile(ssl_);
  if (selected == nullptr) {
    return std::nullopt;
  }
  std::optional<SrtpSession> derived;
  SrtpParameters parameters;
  parameters.profile = static_cast<SrtpProfile>(selected->id);
  const size_t saltBytes = srtpSaltBytes(parameters.profile);
  // RFC 5764 section 4.2: client key, server key, client salt, server salt.
  std::array<uint8_t, 2 * (kSrtpKeyBytes + 14)> material;
  static constexpr char kLabel[] = "EXTRACTOR-dtls_srtp";
  const bool isExported = SSL_export_keying_material(ssl_, material.data(), 2 * (kSrtpKeyBytes + saltBytes),
                                                     kLabel, sizeof kLabel - 1, nullptr, 0, 0) == 1;
  if (isExported) {
    const bool isServer = SSL_is_server(ssl_) == 1;
    SrtpMasterKey& client = isServer ? parameters.remote : parameters.local;
    SrtpMasterKey& server = isServer ? parameters.local : parameters.remote;
    const uint8_t* at = material.data();
    const auto take = [&at](uint8_t* to, size_t bytes) {
      std::memcpy(to, at, bytes);
      at += bytes;
    };
    take(client.key.data(), kSrtpKeyBytes);
    take(server.key.data(), kSrtpKeyBytes);
    take(client.salt.data(), saltBytes);
    take(server.salt.data(), saltBytes);
    derived = SrtpSession::create(parameters);
  }
  OPENSSL_cleanse(material.data(), material.size());
  return derived;
}

void DtlsEndpoint::end(DtlsFault fault) {
  state_ = State::kEnded;
  flight_.clear();
  listener_.onDtlsEnded(id_, fault);
}

}  // namespace streamkit
