#pragma once

#include <poll.h>

#include <memory>
#include <optional>
#include <vector>

#include "../core/datagram_sender.h"
#include "relay_sockets.h"
#include "tcp_sockets.h"
#include "udp_socket.h"

namespace streamkit {

/**
 * What one thread sends by, by socket number: UDP sockets of its own, and TCP connections and sockets to TURN
 * servers, which all threads share. All methods are for that thread.
 */
class SendSockets final : public DatagramSender {
 public:
  /**
   * @param tcp the connections, which all threads share
   * @param relays as `tcp`
   */
  SendSockets(TcpSockets& tcp, RelaySockets& relays, PlaneStats& stats)
      : tcp_(tcp), relays_(relays), stats_(stats) {}

  void add(std::unique_ptr<UdpSocket> socket) { sockets_.push_back(std::move(socket)); }
  void clear() { sockets_.clear(); }
  size_t size() const { return sockets_.size(); }
  UdpSocket& at(size_t socket) { return *sockets_[socket]; }
  /** One of them sends by UDP_SEGMENT, or there is none yet. */
  bool segments() const;

  /** Appends one entry per socket. @param reads datagrams that come in wake the thread */
  void appendTo(std::vector<pollfd>& polled, bool reads) const;
  /** Sends what has waited. @param polled what poll() made of the entries that `appendTo` has appended */
  void flush(const pollfd* polled);

  void send(int socket, const SocketAddress& to, Bytes datagrams, size_t segmentBytes) override;
  bool blocked(int socket, const SocketAddress& to) const override;

 private:
  bool has(int socket) const { return socket >= 0 && static_cast<size_t>(socket) < sockets_.size(); }

  TcpSockets& tcp_;
  RelaySockets& relays_;
  PlaneStats& stats_;
  std::vector<std::unique_ptr<UdpSocket>> sockets_;
};

/** poll() until then, or without end. @returns how many descriptors have events */
int pollUntil(std::vector<pollfd>& polled, std::optional<int64_t> dueUs, int64_t nowUs);

}  // namespace streamkit
