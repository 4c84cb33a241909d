#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <vector>

#include "bytes.h"
#include "dtls_context.h"
#include "dtls_fingerprint.h"
#include "endpoint_bio.h"
#include "srtp_session.h"

namespace streamkit {

enum class DtlsRole { kServer, kClient };

/** Why there is no connection, or no more. */
enum class DtlsFault {
  kClosed,
  /** The peer's certificate is not the one of its description. */
  kFingerprint,
  kHandshake,
  kTimeout,
  /** The peer shares no SRTP profile with us. */
  kNoSrtp,
  /** As many handshakes as may run at once are under way. */
  kCapacity,
};

/**
 * One viewer's end of DTLS 1.2 with the extension use_srtp (RFC 6347, RFC 5764), without a socket and without
 * a clock: datagrams, data and time go in; datagrams, data and the next timeout come out. The peer must show
 * the certificate of its description and prove that it has its key. SRTP keys do not leave the native plane.
 */
class DtlsEndpoint {
 public:
  class Listener {
   public:
    /** To be sent to the peer. */
    virtual void onDtlsDatagram(uint32_t id, Bytes datagram) = 0;
    /** @param srtp the keys: who gets them counts the packets that they encrypt */
    virtual void onDtlsConnected(uint32_t id, SrtpSession srtp) = 0;
    /** Decrypted application data: one record. */
    virtual void onDtlsData(uint32_t id, Bytes data) = 0;
    /** Told once; nothing comes after it. */
    virtual void onDtlsEnded(uint32_t id, DtlsFault fault) = 0;

   protected:
    ~Listener() = default;
  };

  enum class State { kHandshaking, kConnected, kEnded };

  /** The first retransmission; each later one waits twice as long, up to the second. */
  static constexpr int64_t kFirstTimeoutUs = 100'000;
  static constexpr int64_t kLastTimeoutUs = 2'000'000;
  /** After this long the handshake has failed. */
  static constexpr int64_t kHandshakeLimitUs = 30'000'000;
  static constexpr size_t kMaxDataBytes = 16 * 1024;

  DtlsEndpoint(uint32_t id, std::shared_ptr<DtlsContext> context, DtlsRole role,
               DtlsFingerprints fingerprints, Listener& listener, int64_t nowUs);
  ~DtlsEndpoint();
  DtlsEndpoint(const DtlsEndpoint&) = delete;
  DtlsEndpoint& operator=(const DtlsEndpoint&) = delete;

  State state() const { return state_; }
  /** As a client: sends the first flight. */
  void start(int64_t nowUs);
  void receive(Bytes datagram, int64_t nowUs);
  /** @returns false if there is no connection or the data is longer than kMaxDataBytes */
  bool send(Bytes data);
  /** When `advance` is to be called; nothing once the handshake is over. */
  std::optional<int64_t> dueUs() const;
  void advance(int64_t nowUs);

 private:
  static int verify(X509_STORE_CTX* store, void*);
  void handshake(int64_t nowUs);
  void readData();
  std::optional<SrtpSession> deriveSrtp();
  void end(DtlsFault fault);
  size_t take(MutableBytes to);
  void written(Bytes datagram);

  friend class DtlsContext;
  friend class EndpointBio<DtlsEndpoint>;

  uint32_t id_;
  std::shared_ptr<DtlsContext> context_;
  DtlsFingerprints fingerprints_;
  Listener& listener_;
  SSL* ssl_ = nullptr;
  State state_ = State::kHandshaking;
  DtlsFault handshakeFault_ = DtlsFault::kHandshake;
  /** What OpenSSL has not read yet. */
  Bytes incoming_;
  /**
   * What we have sent last and the peer has not answered. OpenSSL sends it again under new record numbers if
   * the clock of the machine agrees that it is time. If it does not, as when time is virtual, the same
   * datagrams are sent: they serve a peer that has not got them.
   */
  std::vector<std::vector<uint8_t>> flight_;
  bool flightIsNew_ = false;
  int64_t startedUs_;
  int64_t timeoutUs_ = kFirstTimeoutUs;
  int64_t resendAtUs_ = 0;
};

}  // namespace streamkit
