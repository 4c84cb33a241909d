#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "../core/stun_message.h"
#include "../core/tls_client.h"
#include "../core/turn_deframer.h"
#include "tcp_connection.h"
#include "udp_socket.h"

namespace streamkit {

/**
 * A UDP socket or a connection over TCP or TLS by which one allocation at a TURN server is used: what it
 * sends to a peer goes to the server by the channel that is bound to that peer (RFC 8656 section 12). Several
 * threads may send on it; one receives, and binds channels.
 */
class RelaySocket {
 public:
  /** Peers at once. */
  static constexpr size_t kMaxChannels = 32;
  /** Requests to the server of which the answers are awaited, one per channel and more; the oldest make room.
   */
  static constexpr size_t kMaxRequests = 64;

  /**
   * @param number of the socket
   * @param epoll is told to report when a blocked socket is writable again
   * @param endpoint the viewer's
   */
  RelaySocket(std::unique_ptr<UdpSocket> socket, int number, int epoll, uint32_t endpoint,
              const SocketAddress& server);
  /**
   * @param connection to the server; epoll knows it by the number
   * @param tls null: TCP alone
   */
  RelaySocket(std::unique_ptr<TcpConnection> connection, std::unique_ptr<TlsClient> tls, int number,
              uint32_t endpoint);

  int number() const { return number_; }
  uint32_t endpoint() const { return endpoint_; }
  const SocketAddress& server() const { return server_; }
  /** TLS is not set up yet: what the server sends costs work. */
  bool isHandshaking() const;
  bool isStream() const { return connection_ != nullptr; }
  /** Of a UDP socket. */
  int fd() const { return socket_->fd(); }

  // From any thread.

  /** @param datagrams of `segmentBytes` each, back to back, for the peer; without a channel they are dropped
   */
  void send(const SocketAddress& to, Bytes datagrams, size_t segmentBytes, PlaneStats& stats);
  bool blocked() const { return connection_ == nullptr ? isBlocked_.load() : connection_->blocked(); }

  // From the receiving thread.

  /** The channel takes the place of another one of that peer. Without effect if there are too many. */
  void bind(uint16_t channel, const SocketAddress& peer);
  void unbind(uint16_t channel);
  /** Whose the channel is; nothing if it is bound to nobody. */
  std::optional<SocketAddress> peerOf(uint16_t channel) const;
  /** Sends a request; other messages are dropped, and so is one that a stream has already been given. */
  void sendToServer(Bytes message, PlaneStats& stats);
  /** Whether the message answers such a request. Nobody can guess the id of one that he has not seen. */
  bool isAnswer(Bytes message) const;
  /** The kernel takes more again. */
  void flush(PlaneStats& stats);
  /**
   * Of a stream: reads once.
   * @param buffer is used for it
   * @param onMessage is given each TURN message, which it may change, and may send on the socket
   * @returns false if the connection has ended; see `endReason`
   */
  template <typename Callback>
  bool receive(MutableBytes buffer, PlaneStats& stats, Callback&& onMessage);
  /** Why `receive` has returned false. */
  const std::string& endReason() const { return endReason_; }
  /** Takes leave of the server, as TLS does. */
  void end(PlaneStats& stats);

 private:
  /** Room that is kept for what TLS says by itself, such as the answer to a new key. */
  static constexpr size_t kTlsReserveBytes = 4 * 1024;

  struct Channel {
    uint16_t number = 0;
    SocketAddress peer;
  };

  std::span<const Channel> channels() const { return std::span(channels_).first(channelCount_); }
  template <typename Predicate>
  void forget(Predicate&& isGone) {
    const auto end = channels_.begin() + static_cast<std::ptrdiff_t>(channelCount_);
    channelCount_ = static_cast<size_t>(std::remove_if(channels_.begin(), end, isGone) - channels_.begin());
  }
  bool isAwaited(const StunTransactionId& id) const;
  /** To the server: so many packets of `segmentBytes` each, the last may be shorter. The mutex is held.
   * @returns false if the connection has dropped them */
  bool transmit(Bytes packets, size_t count, size_t segmentBytes, PlaneStats& stats);
  /** As `transmit`, of records. */
  bool transmitRecords(const TlsClient::Records& records, size_t count, size_t dataBytes, PlaneStats& stats);
  bool encrypt(Bytes packets, size_t count, PlaneStats& stats);
  /** @returns the data of a record, nothing if there is no more; see TlsClient::read */
  MutableBytes decrypt(Bytes& received, PlaneStats& stats);
  /** It says why then. */
  bool isTlsEnded();
  bool deframe(MutableBytes data, PlaneStats& stats, const auto& onMessage) {
    const bool isTurn = deframer_.read(data, [&](MutableBytes message) {
      onMessage(message);
      return true;
    });
    if (!isTurn) {
      stats.droppedMalformed += 1;
      endReason_ = "the server sends what is not TURN";
    }
    return isTurn;
  }
  /** After each send by UDP. The mutex is held. */
  void watchBlocked();

  const int number_;
  const int epoll_;
  const uint32_t endpoint_;
  const SocketAddress server_;

  /** Of what follows: sending threads read the channels that the receiving thread writes. */
  mutable std::mutex mutex_;
  // One of the two.
  const std::unique_ptr<UdpSocket> socket_;
  const std::unique_ptr<TcpConnection> connection_;
  /** Null if the connection has none. */
  const std::unique_ptr<TlsClient> tls_;
  std::array<Channel, kMaxChannels> channels_;
  size_t channelCount_ = 0;
  std::atomic<bool> isBlocked_ = false;

  // Used by the receiving thread alone.
  std::array<StunTransactionId, kMaxRequests> requests_{};
  size_t requestCount_ = 0;
  TurnDeframer deframer_;
  std::string endReason_ = "the connection has ended";
};

template <typename Callback>
bool RelaySocket::receive(MutableBytes buffer, PlaneStats& stats, Callback&& onMessage) {
  size_t bytes = 0;
  const TcpConnection::Read read = connection_->read(buffer, bytes);
  if (read == TcpConnection::Read::kNothing) {
    return true;
  }
  if (read == TcpConnection::Read::kEnded) {
    isTlsEnded();
    return false;
  }
  if (tls_ == nullptr) {
    return deframe(buffer.first(bytes), stats, onMessage);
  }
  Bytes received = buffer.first(bytes);
  // The messages are handed on without the lock: they may be answered.
  for (MutableBytes data = decrypt(received, stats); !data.empty(); data = decrypt(received, stats)) {
    if (!deframe(data, stats, onMessage)) {
      return false;
    }
  }
  return !isTlsEnded();
}

}  // namespace streamkit
