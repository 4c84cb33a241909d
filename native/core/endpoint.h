#pragma once

#include <array>
#include <optional>
#include <string>

#include "media_transport.h"
#include "socket_address.h"
#include "socket_number.h"
#include "srtp_session.h"
#include "stun_message.h"

namespace streamkit {

/** One side's ICE credentials: the current ones, and those of before the last restart. */
struct IceCredentials {
  std::string ufrag;
  std::string password;
  std::string previousUfrag;
  std::string previousPassword;

  void replace(std::string newUfrag, std::string newPassword) {
    previousUfrag = std::move(ufrag);
    previousPassword = std::move(password);
    ufrag = std::move(newUfrag);
    password = std::move(newPassword);
  }

  /** The password that the message is signed by, or null if it is neither of the two. */
  const std::string* passwordOf(const StunMessage& message) const {
    for (const std::string* each : {&password, &previousPassword}) {
      if (!each->empty() && message.integrityMatches(*each)) {
        return each;
      }
    }
    return nullptr;
  }
};

/** One viewer's end of ICE: its credentials, and the addresses that have proved to be its own. */
class Endpoint {
 public:
  /** Addresses kept; the one that is unheard of for longest goes first, the selected one never. */
  static constexpr size_t kMaxAddresses = 8;

  struct Address {
    SocketAddress remote;
    int socket = -1;
    /** It has answered a check of ours under the current credentials. */
    bool answered = false;
    int64_t heardUs = 0;
  };

  Endpoint(uint32_t id, std::string ufrag, std::string password) : id_(id) {
    local.ufrag = std::move(ufrag);
    local.password = std::move(password);
  }

  uint32_t id() const { return id_; }
  const std::optional<SelectedPair>& selected() const { return selected_; }
  const std::array<Address, kMaxAddresses>& addresses() const { return addresses_; }
  size_t addressCount() const { return count_; }

  /**
   * Notes that an authentic message has come from there.
   * @param forgotten is set to an address that had to make room
   */
  Address& heard(int socket, const SocketAddress& from, int64_t nowUs,
                 std::optional<PacketSource>& forgotten);
  bool has(const PacketSource& source) const;
  /**
   * The connection by which the address was reached is closed.
   * @returns whether media went there: it has nowhere to go until a pair is nominated again
   */
  bool forget(int socket, const SocketAddress& address);
  /** How often the credentials of a side were replaced. */
  uint32_t generation() const { return generation_; }
  /** We are the controlled agent, as our last check had it: the viewer nominates (RFC 8445 section 8.1.1). */
  bool isControlled() const { return isControlled_; }

  /** A check of ours is sent there, by the agent's role of now. */
  void noteCheck(const StunMessage& check, int socket, const SocketAddress& to);
  /**
   * The viewer asks for this pair by USE-CANDIDATE. Where it controls, that moves media once a check of ours
   * has succeeded there; it may ask for another one later.
   * @returns whether media goes elsewhere than before
   */
  bool noteViewerNominates(const Address& address);
  /**
   * The pair has answered a check of ours of this generation.
   * @returns whether media goes elsewhere than before
   */
  bool noteAnswered(Address& address, bool toNomination);
  /**
   * The selected pair was nominated under these credentials: checks on it are for consent only (RFC 7675),
   * and nobody has to judge them.
   */
  bool settledOn(int socket, const SocketAddress& address) const {
    return settled_ && selected_ == SelectedPair{socket, address};
  }
  /** Media has nowhere to go until a pair is nominated again. */
  void loseConsent() {
    selected_.reset();
    settled_ = false;
  }
  void replaceLocal(std::string ufrag, std::string password);
  void replaceRemote(std::string ufrag, std::string password);

  IceCredentials local;
  IceCredentials remote;
  /** The transport by which it is sent media. */
  std::optional<uint32_t> transport;
  /** Where its last DTLS came from. */
  std::optional<SelectedPair> dtlsFrom;
  /** Of its DTLS connection, until a transport has taken them: two who had them would use nonces twice. */
  std::optional<SrtpSession> dtlsKeys;

 private:
  static SelectedPair pairOf(const Address& address) { return {address.socket, address.remote}; }
  /** ICE begins anew: media stays where it is, and whatever comes is the agent's until a pair is nominated.
   */
  void beginAnew();
  bool settleOn(const Address& address);
  bool isSelected(const Address& address) const { return selected_ == pairOf(address); }

  uint32_t id_;
  std::array<Address, kMaxAddresses> addresses_;
  size_t count_ = 0;
  std::optional<SelectedPair> selected_;
  bool settled_ = false;
  bool isControlled_ = false;
  uint32_t generation_ = 0;
  /** What each side has asked for last by USE-CANDIDATE; the wish of the one that controls counts. */
  std::optional<SelectedPair> nominatedByUs_;
  std::optional<SelectedPair> nominatedByViewer_;
};

}  // namespace streamkit
