#include "raw_limit.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "byte_order.h"
#include "clock.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace bench {

namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kTagBytes = 16;

struct Destination {
  sockaddr_in address{};
  EVP_CIPHER_CTX* cipher = nullptr;
  uint64_t sequence = 0;
};

void seal(Destination& destination, const uint8_t* payload, uint8_t* packet, size_t packetBytes) {
  uint8_t iv[12] = {};
  writeU32(iv + 4, static_cast<uint32_t>(destination.sequence >> 32));
  writeU32(iv + 8, static_cast<uint32_t>(destination.sequence));
  destination.sequence += 1;
  std::memset(packet, 0, kHeaderBytes);
  packet[0] = 0x80;
  writeU16(packet + 2, static_cast<uint32_t>(destination.sequence));
  int written = 0;
  const int payloadBytes = static_cast<int>(packetBytes - kHeaderBytes - kTagBytes);
  EVP_EncryptInit_ex(destination.cipher, nullptr, nullptr, nullptr, iv);
  EVP_EncryptUpdate(destination.cipher, nullptr, &written, packet, kHeaderBytes);
  EVP_EncryptUpdate(destination.cipher, packet + kHeaderBytes, &written, payload, payloadBytes);
  EVP_EncryptFinal_ex(destination.cipher, packet + kHeaderBytes + written, &written);
  EVP_CIPHER_CTX_ctrl(destination.cipher, EVP_CTRL_GCM_GET_TAG, kTagBytes, packet + packetBytes - kTagBytes);
}

}  // namespace

RawLimitResult measureRawLimit(const RawLimitOptions& options) {
  const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int segmentBytes = static_cast<int>(options.packetBytes);
  if (descriptor < 0 ||
      setsockopt(descriptor, SOL_UDP, UDP_SEGMENT, &segmentBytes, sizeof segmentBytes) != 0) {
    const int reason = errno;
    if (descriptor >= 0)
      close(descriptor);
    throw std::system_error(reason, std::generic_category(), "UDP_SEGMENT");
  }
  std::vector<Destination> destinations(options.ports.size());
  for (size_t i = 0; i < destinations.size(); i++) {
    destinations[i].address.sin_family = AF_INET;
    destinations[i].address.sin_port = htons(options.ports[i]);
    destinations[i].address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    uint8_t key[16];
    std::memset(key, static_cast<int>(i + 1), sizeof key);
    destinations[i].cipher = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(destinations[i].cipher, EVP_aes_128_gcm(), nullptr, key, nullptr);
  }
  const size_t burst = options.packetsPerBurst;
  std::vector<uint8_t> packets(burst * options.packetBytes, 1);
  const std::vector<uint8_t> payloads(burst * options.packetBytes, 7);
  RawLimitResult result;
  const int64_t startUs = nowUs();
  const int64_t startCpuUs = threadCpuUs();
  while ((result.wallUs = nowUs() - startUs) < options.durationUs) {
    for (auto& destination : destinations) {
      for (size_t i = 0; options.encrypt && i < burst; i++) {
        const size_t at = i * options.packetBytes;
        seal(destination, &payloads[at], &packets[at], options.packetBytes);
      }
      if (options.send &&
          sendto(descriptor, packets.data(), packets.size(), 0,
                 reinterpret_cast<const sockaddr*>(&destination.address), sizeof destination.address) < 0) {
        result.sendErrors += 1;
      }
      result.packets += burst;
    }
  }
  result.cpuUs = threadCpuUs() - startCpuUs;
  for (auto& destination : destinations)
    EVP_CIPHER_CTX_free(destination.cipher);
  close(descriptor);
  return result;
}

}  // namespace bench
