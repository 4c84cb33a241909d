#include "raw_sender.h"

#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "byte_order.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace bench {

namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kTagBytes = 16;

}  // namespace

std::unique_ptr<RawSender> RawSender::open(const std::vector<uint16_t>& ports, uint32_t packetsPerBurst,
                                           uint32_t packetBytes) {
  const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int segmentBytes = static_cast<int>(packetBytes);
  if (descriptor < 0 ||
      setsockopt(descriptor, SOL_UDP, UDP_SEGMENT, &segmentBytes, sizeof segmentBytes) != 0) {
    const int reason = errno;
    if (descriptor >= 0)
      close(descriptor);
    errno = reason;
    return nullptr;
  }
  return std::unique_ptr<RawSender>(new RawSender(descriptor, ports, packetsPerBurst, packetBytes));
}

RawSender::RawSender(int descriptor, const std::vector<uint16_t>& ports, size_t packetsPerBurst,
                     size_t packetBytes)
    : descriptor_(descriptor),
      packetsPerBurst_(packetsPerBurst),
      packetBytes_(packetBytes),
      destinations_(ports.size()),
      packets_(packetsPerBurst * packetBytes, 1),
      payloads_(packetsPerBurst * packetBytes, 7) {
  for (size_t i = 0; i < destinations_.size(); i++) {
    destinations_[i].address.sin_family = AF_INET;
    destinations_[i].address.sin_port = htons(ports[i]);
    destinations_[i].address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    uint8_t key[16];
    std::memset(key, static_cast<int>(i + 1), sizeof key);
    destinations_[i].cipher = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(destinations_[i].cipher, EVP_aes_128_gcm(), nullptr, key, nullptr);
  }
}

RawSender::~RawSender() {
  for (auto& destination : destinations_)
    EVP_CIPHER_CTX_free(destination.cipher);
  close(descriptor_);
}

void RawSender::seal(Destination& destination, const uint8_t* payload, uint8_t* packet) const {
  uint8_t iv[12] = {};
  writeU32(iv + 4, static_cast<uint32_t>(destination.sequence >> 32));
  writeU32(iv + 8, static_cast<uint32_t>(destination.sequence));
  destination.sequence += 1;
  std::memset(packet, 0, kHeaderBytes);
  packet[0] = 0x80;
  writeU16(packet + 2, static_cast<uint32_t>(destination.sequence));
  int written = 0;
  const int payloadBytes = static_cast<int>(packetBytes_ - kHeaderBytes - kTagBytes);
  EVP_EncryptInit_ex(destination.cipher, nullptr, nullptr, nullptr, iv);
  EVP_EncryptUpdate(destination.cipher, nullptr, &written, packet, kHeaderBytes);
  EVP_EncryptUpdate(destination.cipher, packet + kHeaderBytes, &written, payload, payloadBytes);
  EVP_EncryptFinal_ex(destination.cipher, packet + kHeaderBytes + written, &written);
  EVP_CIPHER_CTX_ctrl(destination.cipher, EVP_CTRL_GCM_GET_TAG, kTagBytes, packet + packetBytes_ - kTagBytes);
}

uint64_t RawSender::sendRound(bool encrypt, bool send) {
  uint64_t failed = 0;
  for (auto& destination : destinations_) {
    for (size_t i = 0; encrypt && i < packetsPerBurst_; i++) {
      seal(destination, &payloads_[i * packetBytes_], &packets_[i * packetBytes_]);
    }
    if (send &&
        sendto(descriptor_, packets_.data(), packets_.size(), 0,
               reinterpret_cast<const sockaddr*>(&destination.address), sizeof destination.address) < 0) {
      failed += 1;
    }
  }
  return failed;
}

}  // namespace bench
