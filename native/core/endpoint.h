#pragma once

#include <array>
#include <optional>
#include <string>

#include "media_transport.h"
#include "socket_address.h"
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

  /** Of the two, the one that the message is signed by, or null. */
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
    /** We have asked for this pair with USE-CANDIDATE, and it has answered. */
    bool nominated = false;
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
                 std::optional<SocketAddress>& forgotten);
  /** By whatever socket. */
  bool has(const SocketAddress& address) const;
  /** @returns whether it was another before */
  bool select(const Address& address);
  /**
   * The selected pair is that of these credentials: checks on it are for consent only (RFC 7675), and nobody
   * has to judge them.
   */
  bool settledOn(int socket, const SocketAddress& address) const {
    return settled_ && selected_->socket == socket && selected_->remote == address;
  }
  /** Our nomination under the current credentials was answered by the selected pair. */
  void settle() { settled_ = selected_.has_value(); }
  /** ICE begins anew: whatever comes is its agent's. */
  void unsettle() { settled_ = false; }

  IceCredentials local;
  IceCredentials remote;
  /** What is sent to it, or null. */
  MediaTransport* transport = nullptr;

 private:
  bool isSelected(const Address& address) const {
    return selected_.has_value() && selected_->remote == address.remote &&
           selected_->socket == address.socket;
  }

  uint32_t id_;
  std::array<Address, kMaxAddresses> addresses_;
  size_t count_ = 0;
  std::optional<SelectedPair> selected_;
  bool settled_ = false;
};

}  // namespace streamkit
