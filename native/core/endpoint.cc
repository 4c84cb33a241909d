#include "endpoint.h"

namespace streamkit {

Endpoint::Address& Endpoint::heard(int socket, const SocketAddress& from, int64_t nowUs,
                                   std::optional<SocketAddress>& forgotten) {
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
    forgotten = addresses_[place].remote;
  }
  addresses_[place] = {.remote = from, .socket = socket, .heardUs = nowUs};
  return addresses_[place];
}

bool Endpoint::select(const Address& address) {
  if (isSelected(address)) {
    return false;
  }
  selected_ = SelectedPair{address.socket, address.remote};
  return true;
}

}  // namespace streamkit
