#include "packet_batch.h"

namespace streamkit {

void PacketBatch::begin(int socket, const SocketAddress& to) {
  flush();
  socket_ = socket;
  to_ = to;
}

uint8_t* PacketBatch::reserve(size_t bytes) {
  if (packets_ > 0 && (complete_ || bytes > segmentBytes_ || packets_ == kMaxGroupPackets ||
                       bytes_ + bytes > kMaxGroupBytes)) {
    flush();
  }
  reservedBytes_ = bytes;
  return &buffer_[bytes_];
}

void PacketBatch::commit() {
  if (packets_ == 0) {
    segmentBytes_ = reservedBytes_;
  }
  complete_ = reservedBytes_ < segmentBytes_;
  bytes_ += reservedBytes_;
  packets_ += 1;
}

void PacketBatch::flush() {
  if (packets_ > 0) {
    sender_.send(socket_, to_, Bytes(buffer_).first(bytes_), segmentBytes_);
  }
  packets_ = 0;
  bytes_ = 0;
  complete_ = false;
}

}  // namespace streamkit
