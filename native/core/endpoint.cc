#include "endpoint.h"

#include <algorithm>

namespace streamkit {

Endpoint::Address& Endpoint::heard(int socket, const SocketAddress& from, int64_t nowUs,
                                   std::optional<PacketSource>& forgotten) {
  for (size_t i = 0; i < count_; i += 1) {
    if (addresses_[i].remote == from && addresses_[i].socket == socket) {
      addresses_[i].heardUs = nowUs;
      return addresses_[i];
    }
  }
  size_t place = count_;
  if (count_ < kMaxAddresses) {
    count_ += 1;
  } else {
    place = isSelected(addresses_[0]) ? 1 : 0;
    for (size_t i = 0; i < count_; i += 1) {
      if (addresses_[i].heardUs < addresses_[place].heardUs && !isSelected(addresses_[i])) {
        place = i;
      }
    }
    forgotten.emplace(addresses_[place].socket, addresses_[place].remote);
  }
  addresses_[place] = {.remote = from, .socket = socket, .heardUs = nowUs};
  return addresses_[place];
}

bool Endpoint::has(const PacketSource& source) const {
  return std::any_of(addresses_.begin(), addresses_.begin() + static_cast<std::ptrdiff_t>(count_),
                     [&](const Address& each) { return PacketSource(each.socket, each.remote) == source; });
}

bool Endpoint::forget(int socket, const SocketAddress& address) {
  const SelectedPair pair{socket, address};
  for (size_t i = 0; i < count_; i += 1) {
    if (pairOf(addresses_[i]) == pair) {
      count_ -= 1;
      addresses_[i] = addresses_[count_];
      break;
    }
  }
  if (dtlsFrom == pair) {
    dtlsFrom.reset();
  }
  if (selected_ != pair) {
    return false;
  }
  loseConsent();
  return true;
}

void Endpoint::noteCheck(const StunMessage& check, int socket, const SocketAddress& to) {
  // A request to a STUN server has neither attribute.
  if (check.iceControlled() || check.iceControlling()) {
    isControlled_ = check.iceControlled();
  }
  if (check.useCandidate()) {
    nominatedByUs_ = {socket, to};
  }
}

bool Endpoint::noteViewerNominates(const Address& address) {
  nominatedByViewer_ = pairOf(address);
  return isControlled_ && address.answered && settleOn(address);
}

bool Endpoint::noteAnswered(Address& address, bool toNomination) {
  address.answered = true;
  // RFC 8445 sections 7.2.5.3.4 and 7.3.1.5. Of several pairs the one that was asked for last counts: a late
  // answer of another does not take media back.
  const bool nominated = toNomination ? nominatedByUs_ == pairOf(address)
                                      : isControlled_ && nominatedByViewer_ == pairOf(address);
  return nominated && settleOn(address);
}

bool Endpoint::settleOn(const Address& address) {
  settled_ = true;
  if (isSelected(address)) {
    return false;
  }
  selected_ = pairOf(address);
  return true;
}

void Endpoint::replaceLocal(std::string ufrag, std::string password) {
  local.replace(std::move(ufrag), std::move(password));
  // The viewer nominates under our credentials; it may know them before we know its own.
  nominatedByViewer_.reset();
  beginAnew();
}

void Endpoint::replaceRemote(std::string ufrag, std::string password) {
  remote.replace(std::move(ufrag), std::move(password));
  beginAnew();
}

void Endpoint::beginAnew() {
  generation_ += 1;
  settled_ = false;
  nominatedByUs_.reset();
  for (Address& address : addresses_) {
    address.answered = false;
  }
}

}  // namespace streamkit
