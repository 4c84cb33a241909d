#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "endpoint.h"
#include "stun_transactions.h"

namespace streamkit {

/** All viewers' endpoints on the shared port: whose is a datagram, and is it. */
class EndpointRegistry {
 public:
  enum class Verdict { kPass, kAnswer, kConsent, kMalformed, kNotAuthentic, kUnknownSource };

  struct Received {
    Verdict verdict;
    Endpoint* endpoint = nullptr;
    /** Its media goes to another address from now on. */
    bool pairSelected = false;
    /** With the verdict kConsent: the viewer consents. */
    bool consents = false;
    /** Bytes of `answer()`, which is to be sent. */
    size_t answerBytes = 0;
  };

  Endpoint* find(uint32_t id);
  void create(uint32_t id, std::string ufrag, std::string password);
  void setLocalCredentials(Endpoint& endpoint, std::string ufrag, std::string password);
  void close(uint32_t id);

  /**
   * To be called with what is sent for an endpoint, so that the answer is recognized.
   * @param forConsent its answer is of the verdict kConsent
   */
  void noteSent(Endpoint& endpoint, int socket, const SocketAddress& to, Bytes data, int64_t nowUs,
                bool forConsent = false);
  Received receiveStun(int socket, const SocketAddress& from, Bytes data, int64_t nowUs);
  /** What the verdict kAnswer was about, until the next message. */
  Bytes answer() const { return answer_; }
  /** Whose validated address it is, or null. */
  Endpoint* ownerOf(int socket, const SocketAddress& from);
  /**
   * The connection is closed: its address proves nothing any more.
   * @returns the endpoint whose media went there, or null
   */
  Endpoint* disconnected(int socket, const SocketAddress& from);
  /** Connections whose addresses made room for others of their viewers, since it was asked last. */
  std::vector<PacketSource> takeAbandoned() { return std::exchange(abandoned_, {}); }

 private:
  Received receiveRequest(const StunMessage& message, int socket, const SocketAddress& from, int64_t nowUs);
  Received receiveResponse(const StunMessage& message, int socket, const SocketAddress& from, int64_t nowUs);
  Endpoint::Address& heard(Endpoint& endpoint, int socket, const SocketAddress& from, int64_t nowUs);
  void forgetUfrag(const std::string& ufrag, uint32_t id);

  std::unordered_map<uint32_t, std::unique_ptr<Endpoint>> endpoints_;
  std::unordered_map<std::string, uint32_t> idsByUfrag_;
  std::unordered_map<PacketSource, Endpoint*, PacketSourceHash> bySource_;
  /** At most as many as there are connections: each is known when it is put here. */
  std::vector<PacketSource> abandoned_;
  StunTransactions transactions_;
  std::array<uint8_t, kMaxBindingSuccessBytes> answer_{};
};

}  // namespace streamkit
