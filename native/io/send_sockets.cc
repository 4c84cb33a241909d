#include "send_sockets.h"

#include <algorithm>

namespace streamkit {

bool SendSockets::segments() const {
  return sockets_.empty() ||
         std::any_of(sockets_.begin(), sockets_.end(), [](const auto& each) { return each->segments(); });
}

void SendSockets::appendTo(std::vector<pollfd>& polled, bool reads) const {
  for (const auto& socket : sockets_) {
    const int events = (reads ? POLLIN : 0) | (socket->blocked() ? POLLOUT : 0);
    // poll() passes over a negative descriptor; one without events it would still tell errors of.
    polled.push_back({events == 0 ? -1 : socket->fd(), static_cast<short>(events), 0});
  }
}

void SendSockets::flush(const pollfd* polled) {
  for (size_t i = 0; i < sockets_.size(); i += 1) {
    if ((polled[i].revents & POLLOUT) != 0) {
      sockets_[i]->flush(stats_);
    }
  }
}

void SendSockets::send(int socket, const SocketAddress& to, Bytes datagrams, size_t segmentBytes) {
  if (isRelaySocket(socket)) {
    relays_.send(socket, to, datagrams, segmentBytes, stats_);
  } else if (isStreamSocket(socket)) {
    tcp_.send(socket, to, datagrams, segmentBytes, stats_);
  } else if (has(socket)) {
    sockets_[static_cast<size_t>(socket)]->send(to, datagrams, segmentBytes, stats_);
  }
}

bool SendSockets::blocked(int socket, const SocketAddress& to) const {
  if (isRelaySocket(socket)) {
    return relays_.blocked(socket);
  }
  if (isStreamSocket(socket)) {
    return tcp_.blocked(socket, to);
  }
  return has(socket) && sockets_[static_cast<size_t>(socket)]->blocked();
}

int pollUntil(std::vector<pollfd>& polled, std::optional<int64_t> dueUs, int64_t nowUs) {
  const int64_t waitUs = dueUs.has_value() ? std::max<int64_t>(0, *dueUs - nowUs) : -1;
#ifdef __linux__
  const timespec timeout{static_cast<time_t>(waitUs / 1'000'000),
                         static_cast<long>(waitUs % 1'000'000 * 1000)};
  return ppoll(polled.data(), polled.size(), waitUs < 0 ? nullptr : &timeout, nullptr);
#else
  return poll(polled.data(), static_cast<nfds_t>(polled.size()),
              waitUs < 0 ? -1 : static_cast<int>((waitUs + 999) / 1000));
#endif
}

}  // namespace streamkit
