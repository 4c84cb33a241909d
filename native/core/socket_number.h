#pragma once

#include "socket_address.h"

namespace streamkit {

/** The numbers of TCP listeners begin here; those below are UDP sockets. */
constexpr int kFirstStreamSocket = 1 << 16;
/** The numbers of sockets to TURN servers begin here, with those of UDP. */
constexpr int kFirstRelaySocket = 1 << 20;
/** The numbers of TCP connections to TURN servers begin here. */
constexpr int kFirstStreamRelaySocket = 1 << 30;

inline bool isStreamSocket(int socket) {
  return socket >= kFirstStreamSocket && socket < kFirstRelaySocket;
}

inline bool isRelaySocket(int socket) {
  return socket >= kFirstRelaySocket;
}

/** Whether what is sent by it goes over TCP, as far as we see. */
inline bool isOverStream(int socket) {
  return isStreamSocket(socket) || socket >= kFirstStreamRelaySocket;
}

/**
 * Who sends: over UDP an address, to whichever of our sockets; over TCP a connection, which its listener and
 * the remote address name; through a TURN server a peer of that allocation.
 */
struct PacketSource {
  int listener = -1;
  SocketAddress address;

  PacketSource(int socket, const SocketAddress& from)
      : listener(socket >= kFirstStreamSocket ? socket : -1), address(from) {}
  bool operator==(const PacketSource& other) const = default;
};

struct PacketSourceHash {
  size_t operator()(const PacketSource& source) const {
    return source.address.hash() ^ static_cast<size_t>(source.listener + 1);
  }
};

}  // namespace streamkit
