#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace streamkit {

/** An IPv4 or IPv6 address with its port: small, comparable, and independent of the kernel's structures. */
class SocketAddress {
 public:
  SocketAddress() = default;

  /** Numeric text only; an IPv6 zone ("%eth0") is resolved. Nothing for what is no address. */
  static std::optional<SocketAddress> fromText(const std::string& text, uint16_t port);
  /** Nothing for other families than AF_INET and AF_INET6. */
  static std::optional<SocketAddress> fromKernel(const sockaddr_storage& storage);
  /** @param ip 4 or 16 bytes; nothing for another number of them */
  static std::optional<SocketAddress> fromBytes(std::span<const uint8_t> ip, uint16_t port);

  /** @returns the length of what was written. */
  socklen_t toKernel(sockaddr_storage& storage) const;
  std::string text() const;

  uint16_t port() const { return port_; }
  /** 4 or 16 bytes. */
  std::span<const uint8_t> ip() const { return std::span(ip_).first(ipv6_ ? 16 : 4); }
  bool isIpv6() const { return ipv6_; }
  /** What one host has for certain: its IPv4 address, or its /64 of IPv6, in which it takes any address. */
  SocketAddress network() const {
    SocketAddress result = *this;
    result.port_ = 0;
    if (ipv6_) {
      std::fill(result.ip_.begin() + 8, result.ip_.end(), uint8_t{0});
    }
    return result;
  }
  bool operator==(const SocketAddress& other) const = default;
  size_t hash() const;

 private:
  std::array<uint8_t, 16> ip_{};
  uint32_t scopeId_ = 0;
  uint16_t port_ = 0;
  bool ipv6_ = false;
};

struct SocketAddressHash {
  size_t operator()(const SocketAddress& address) const { return address.hash(); }
};

}  // namespace streamkit
