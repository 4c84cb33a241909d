#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace bench {

/** SRTP master keys of both directions (RFC 5764 section 4.2), AEAD_AES_128_GCM: 16 bytes of key, 12 of salt.
 */
struct SrtpKeys {
  std::array<uint8_t, 16> localKey;
  std::array<uint8_t, 16> remoteKey;
  std::array<uint8_t, 12> localSalt;
  std::array<uint8_t, 12> remoteSalt;
};

/** One certificate and one context for all viewers of the generator. */
class DtlsContext {
 public:
  /** @throws std::runtime_error */
  DtlsContext();
  ~DtlsContext();
  DtlsContext(const DtlsContext&) = delete;
  DtlsContext& operator=(const DtlsContext&) = delete;

  SSL_CTX* get() const { return context_; }
  /** SHA-256, as an SDP writes it. */
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  SSL_CTX* context_ = nullptr;
  EVP_PKEY* key_ = nullptr;
  X509* certificate_ = nullptr;
  std::string fingerprint_;
};

/** The client's side of one DTLS-SRTP handshake over datagrams. */
class DtlsClient {
 public:
  enum class State { handshaking, connected, failed, closed };
  using Send = std::function<void(const uint8_t* data, size_t size)>;

  DtlsClient(const DtlsContext& context, Send send);
  ~DtlsClient();
  DtlsClient(const DtlsClient&) = delete;
  DtlsClient& operator=(const DtlsClient&) = delete;

  /** @param remoteFingerprint - SHA-256, in capitals and colons, which the server's certificate must have. */
  void start(std::string remoteFingerprint);
  void receive(const uint8_t* data, size_t size);
  /** Sends again what got no answer; to be called every few ms while handshaking. */
  void onTimer();
  /** Sends close_notify. */
  void close();

  State state() const { return state_; }
  /** Valid once connected. */
  const SrtpKeys& keys() const { return keys_; }

 private:
  void advance();
  bool finish();
  void flush();

  SSL* ssl_;
  BIO* input_;
  BIO* output_;
  std::string remoteFingerprint_;
  Send send_;
  State state_ = State::handshaking;
  SrtpKeys keys_{};
};

}  // namespace bench
