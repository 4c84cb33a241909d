#pragma once

#include "bytes.h"
#include "socket_address.h"

namespace streamkit {

/** Where the core's datagrams go: the sockets, or a test's network. */
class DatagramSender {
 public:
  /**
   * @param datagrams one after the other, each of `segmentBytes` but the last, which may be shorter: what one
   *   sendmsg with UDP_SEGMENT carries
   */
  virtual void send(int socket, const SocketAddress& to, Bytes datagrams, size_t segmentBytes) = 0;
  /** The kernel takes no more for that viewer for now: what can wait, should. */
  virtual bool blocked(int socket, const SocketAddress& to) const = 0;

 protected:
  ~DatagramSender() = default;
};

}  // namespace streamkit
