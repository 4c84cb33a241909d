#include "media_socket_set.h"

namespace streamkit {

MediaSocket* MediaSocketSet::find(uint32_t id) {
  for (const auto& socket : sockets_) {
    if (socket->id() == id) {
      return socket.get();
    }
  }
  return nullptr;
}

void MediaSocketSet::close(uint32_t id) {
  std::erase_if(sockets_, [id](const auto& socket) { return socket->id() == id; });
}

void MediaSocketSet::appendTo(std::vector<pollfd>& polled) const {
  for (const auto& socket : sockets_) {
    polled.push_back({socket->fd(), POLLIN, 0});
  }
}

void MediaSocketSet::noteReadable(const pollfd* polled) {
  for (size_t i = 0; i < sockets_.size(); i += 1) {
    if (polled[i].revents != 0) {
      sockets_[i]->noteReadable();
    }
  }
}

bool MediaSocketSet::read(MediaCore& core, int64_t nowUs) {
  bool more = false;
  std::erase_if(sockets_, [&](const auto& socket) {
    if (!socket->readable()) {
      return false;
    }
    const auto fault = socket->read(core, nowUs);
    if (fault.has_value()) {
      listener_.onMediaSocketFailed(socket->id(), *fault);
      return true;
    }
    more = more || socket->readable();
    return false;
  });
  return more;
}

}  // namespace streamkit
