#include "relay_socket.h"

#ifdef __linux__
#include <sys/epoll.h>
#endif

namespace streamkit {

RelaySocket::RelaySocket(std::unique_ptr<UdpSocket> socket, int number, int epoll, uint32_t endpoint,
                         const SocketAddress& server)
    : number_(number), epoll_(epoll), endpoint_(endpoint), server_(server), socket_(std::move(socket)) {}

RelaySocket::RelaySocket(std::unique_ptr<TcpConnection> connection, std::unique_ptr<TlsClient> tls,
                         int number, uint32_t endpoint)
    : number_(number),
      epoll_(-1),
      endpoint_(endpoint),
      server_(connection->remote()),
      connection_(std::move(connection)),
      tls_(std::move(tls)) {}

bool RelaySocket::isHandshaking() const {
  if (tls_ == nullptr) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  return !tls_->isEnded() && !tls_->isConnected();
}

bool RelaySocket::isTlsEnded() {
  if (tls_ == nullptr) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  if (!tls_->isEnded()) {
    return false;
  }
  endReason_ = tls_->endReason();
  return true;
}

void RelaySocket::send(const SocketAddress& to, Bytes datagrams, size_t segmentBytes, PlaneStats& stats) {
  const size_t count = (datagrams.size() + segmentBytes - 1) / segmentBytes;
  const std::lock_guard lock(mutex_);
  const auto bound = channels();
  const auto channel =
      std::find_if(bound.begin(), bound.end(), [&](const Channel& each) { return each.peer == to; });
  if (channel == bound.end()) {
    stats.sendErrors += count;
    return;
  }
  static thread_local std::vector<uint8_t> framed;
  framed.clear();
  for (Bytes rest = datagrams; !rest.empty();) {
    const Bytes datagram = rest.first(std::min(segmentBytes, rest.size()));
    std::array<uint8_t, ChannelData::kHeaderBytes> header;
    ChannelData::writeHeader(header.data(), channel->number, datagram.size());
    framed.insert(framed.end(), header.begin(), header.end());
    framed.insert(framed.end(), datagram.begin(), datagram.end());
    if (connection_ != nullptr) {
      // Section 12.5: in a stream each begins at a multiple of four.
      framed.resize((framed.size() + 3) / 4 * 4);
    }
    rest = rest.subspan(datagram.size());
  }
  // Segments stay equal, so one system call still carries them.
  transmit(framed, count, segmentBytes + ChannelData::kHeaderBytes, stats);
}

bool RelaySocket::transmit(Bytes packets, size_t count, size_t segmentBytes, PlaneStats& stats) {
  if (connection_ == nullptr) {
    socket_->send(server_, packets, segmentBytes, stats);
    watchBlocked();
    return true;
  }
  return tls_ == nullptr ? connection_->sendFramed(packets, count, packets.size(), stats)
                         : encrypt(packets, count, stats);
}

bool RelaySocket::encrypt(Bytes packets, size_t count, PlaneStats& stats) {
  static thread_local TlsClient::Records records;
  records.clear();
  // A record that has been made must not be dropped: the server would miss its number.
  if (!connection_->hasRoom(TlsClient::recordBytes(packets.size()) + kTlsReserveBytes) ||
      !tls_->send(packets, records)) {
    stats.sendErrors += count;
    if (tls_->isEnded()) {
      // The receiving thread tells of it.
      connection_->shutDown();
    }
    return false;
  }
  return transmitRecords(records, count, packets.size(), stats);
}

bool RelaySocket::transmitRecords(const TlsClient::Records& records, size_t count, size_t dataBytes,
                                  PlaneStats& stats) {
  if (records.empty()) {
    return true;
  }
  const bool isSent = connection_->sendFramed(records, count, dataBytes, stats);
  if (!isSent) {
    if (!tls_->isEnded()) {
      tls_->end("the server reads nothing");
    }
    connection_->shutDown();
  }
  return isSent;
}

MutableBytes RelaySocket::decrypt(Bytes& received, PlaneStats& stats) {
  // One thread receives, for all of them.
  static thread_local std::array<uint8_t, TlsClient::kMaxRecordDataBytes> data;
  static thread_local TlsClient::Records records;
  records.clear();
  const std::lock_guard lock(mutex_);
  const size_t bytes = tls_->read(received, data, records);
  transmitRecords(records, 0, 0, stats);
  return MutableBytes(data).first(bytes);
}

void RelaySocket::end(PlaneStats& stats) {
  if (tls_ == nullptr) {
    return;
  }
  TlsClient::Records records;
  const std::lock_guard lock(mutex_);
  tls_->close(records);
  transmitRecords(records, 0, 0, stats);
}

void RelaySocket::bind(uint16_t channel, const SocketAddress& peer) {
  const std::lock_guard lock(mutex_);
  forget([&](const Channel& each) { return each.number == channel || each.peer == peer; });
  if (channelCount_ < kMaxChannels) {
    channels_[channelCount_++] = {channel, peer};
  }
}

void RelaySocket::unbind(uint16_t channel) {
  const std::lock_guard lock(mutex_);
  forget([&](const Channel& each) { return each.number == channel; });
}

std::optional<SocketAddress> RelaySocket::peerOf(uint16_t channel) const {
  for (const Channel& each : channels()) {
    if (each.number == channel) {
      return each.peer;
    }
  }
  return std::nullopt;
}

void RelaySocket::sendToServer(Bytes bytes, PlaneStats& stats) {
  const auto message = StunMessage::parse(bytes);
  if (!message.has_value() || message->messageClass() != StunClass::kRequest) {
    stats.sendErrors += 1;
    return;
  }
  const bool isRepeated = isAwaited(message->transactionId());
  if (isRepeated && connection_ != nullptr) {
    // RFC 8489 section 6.2.2: TCP repeats what is lost.
    return;
  }
  const std::lock_guard lock(mutex_);
  if (transmit(bytes, 1, bytes.size(), stats) && !isRepeated) {
    requests_[requestCount_++ % kMaxRequests] = message->transactionId();
  }
}

bool RelaySocket::isAnswer(Bytes bytes) const {
  const auto message = StunMessage::parse(bytes);
  return message.has_value() &&
         (message->messageClass() == StunClass::kSuccess || message->messageClass() == StunClass::kError) &&
         isAwaited(message->transactionId());
}

bool RelaySocket::isAwaited(const StunTransactionId& id) const {
  const auto end = requests_.begin() + static_cast<std::ptrdiff_t>(std::min(requestCount_, kMaxRequests));
  return std::find(requests_.begin(), end, id) != end;
}

void RelaySocket::flush(PlaneStats& stats) {
  if (connection_ != nullptr) {
    connection_->flush();
    return;
  }
  const std::lock_guard lock(mutex_);
  socket_->flush(stats);
  watchBlocked();
}

void RelaySocket::watchBlocked() {
  const bool isBlocked = socket_->blocked();
#ifdef __linux__
  if (isBlocked != isBlocked_) {
    epoll_event interest{};
    interest.events = EPOLLIN | (isBlocked ? EPOLLOUT : 0U);
    interest.data.u64 = static_cast<uint64_t>(number_);
    epoll_ctl(epoll_, EPOLL_CTL_MOD, socket_->fd(), &interest);
  }
#endif
  isBlocked_ = isBlocked;
}

}  // namespace streamkit
