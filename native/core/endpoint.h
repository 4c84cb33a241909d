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

  /** The integrity is that of either password. */
  bool authentic(const StunMessage& message) const {
    return (!password.empty() && message.integrityMatches(password)) ||
           (!previousPassword.empty() && message.integrityMatches(previousPassword));
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
    /** Asked for with USE-CANDIDATE, by the agent that controls, and it has answered a check of ours. */
    bool nominated = false;
    /** The viewer has asked for this pair with USE-CANDIDATE, which counts where it controls. */
    bool wanted = false;
    /** It has answered a check that we sent as the controlled agent. */
    bool answeredControlled = false;
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
  /** @returns whether it was another before */
  bool select(const Address& address);

  IceCredentials local;
  IceCredentials remote;

 private:
  bool isSelected(const Address& address) const {
    return selected_.has_value() && selected_->remote == address.remote &&
           selected_->socket == address.socket;
  }

  uint32_t id_;
  std::array<Address, kMaxAddresses> addresses_;
  size_t count_ = 0;
  std::optional<SelectedPair> selected_;
};

}  // namespace streamkit
