#pragma once

#include "socket_address.h"

namespace streamkit {

/** The numbers of TCP listeners begin here; those below are UDP sockets. */
constexpr int kFirstStreamSocket = 1 << 16;

inline bool isStreamSocket(int socket) {
  return socket >= kFirstStreamSocket;
}

/**
 * Who sends: over UDP an address, to whichever of our sockets; over TCP a connection, which its listener and
 * the remote address name.
 */
struct PacketSource {
  int listener = -1;
  SocketAddress address;

  PacketSource(int socket, const SocketAddress& from)
      : listener(isStreamSocket(socket) ? socket : -1), address(from) {}
  bool operator==(const PacketSource& other) const = default;
};

struct PacketSourceHash {
  size_t operator()(const PacketSource& source) const {
    return source.address.hash() ^ static_cast<size_t>(source.listener + 1);
  }
};

}  // namespace streamkit
