#pragma once

#include <netinet/in.h>
#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace bench {

/**
 * The least that a packet can cost here: encrypt with AES-128-GCM under the destination's key, and send the
 * burst in one call with UDP_SEGMENT. No headers, no pacing, no bookkeeping. Blocks.
 */
class RawSender {
 public:
  /** @param ports of sinks on 127.0.0.1. Sets errno and returns nothing on failure. */
  static std::unique_ptr<RawSender> open(const std::vector<uint16_t>& ports, uint32_t packetsPerBurst,
                                         uint32_t packetBytes);
  ~RawSender();
  RawSender(const RawSender&) = delete;
  RawSender& operator=(const RawSender&) = delete;

  /** One burst to each destination. @returns how many could not be sent */
  uint64_t sendRound(bool encrypt, bool send);
  size_t packetsPerRound() const { return destinations_.size() * packetsPerBurst_; }

 private:
  struct Destination {
    sockaddr_in address{};
    EVP_CIPHER_CTX* cipher = nullptr;
    uint64_t sequence = 0;
  };

  RawSender(int descriptor, const std::vector<uint16_t>& ports, size_t packetsPerBurst, size_t packetBytes);
  void seal(Destination& destination, const uint8_t* payload, uint8_t* packet) const;

  int descriptor_;
  size_t packetsPerBurst_;
  size_t packetBytes_;
  std::vector<Destination> destinations_;
  std::vector<uint8_t> packets_;
  std::vector<uint8_t> payloads_;
};

}  // namespace bench
