#include "socket_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>
#include <string_view>

namespace streamkit {

std::optional<SocketAddress> SocketAddress::fromText(const std::string& text, uint16_t port) {
  SocketAddress result;
  result.port_ = port;
  if (inet_pton(AF_INET, text.c_str(), result.ip_.data()) == 1) {
    return result;
  }
  const size_t zone = text.find('%');
  if (inet_pton(AF_INET6, text.substr(0, zone).c_str(), result.ip_.data()) != 1) {
    return std::nullopt;
  }
  result.ipv6_ = true;
  if (zone != std::string::npos) {
    result.scopeId_ = if_nametoindex(text.substr(zone + 1).c_str());
    if (result.scopeId_ == 0) {
      return std::nullopt;
    }
  }
  return result;
}

std::optional<SocketAddress> SocketAddress::fromKernel(const sockaddr_storage& storage) {
  SocketAddress result;
  if (storage.ss_family == AF_INET) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, &storage, sizeof ipv4);
    std::memcpy(result.ip_.data(), &ipv4.sin_addr, 4);
    result.port_ = ntohs(ipv4.sin_port);
    return result;
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, &storage, sizeof ipv6);
    std::memcpy(result.ip_.data(), &ipv6.sin6_addr, 16);
    result.port_ = ntohs(ipv6.sin6_port);
    result.scopeId_ = ipv6.sin6_scope_id;
    result.ipv6_ = true;
    return result;
  }
  return std::nullopt;
}

std::optional<SocketAddress> SocketAddress::fromBytes(std::span<const uint8_t> ip, uint16_t port) {
  SocketAddress result;
  if (ip.size() != 4 && ip.size() != result.ip_.size()) {
    return std::nullopt;
  }
  std::copy(ip.begin(), ip.end(), result.ip_.begin());
  result.ipv6_ = ip.size() == result.ip_.size();
  result.port_ = port;
  return result;
}

socklen_t SocketAddress::toKernel(sockaddr_storage& storage) const {
  if (ipv6_) {
    sockaddr_in6 ipv6{};
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port_);
    ipv6.sin6_scope_id = scopeId_;
    std::memcpy(&ipv6.sin6_addr, ip_.data(), 16);
    std::memcpy(&storage, &ipv6, sizeof ipv6);
    return sizeof ipv6;
  }
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  ipv4.sin_port = htons(port_);
  std::memcpy(&ipv4.sin_addr, ip_.data(), 4);
  std::memcpy(&storage, &ipv4, sizeof ipv4);
  return sizeof ipv4;
}

std::string SocketAddress::text() const {
  char buffer[INET6_ADDRSTRLEN];
  inet_ntop(ipv6_ ? AF_INET6 : AF_INET, ip_.data(), buffer, sizeof buffer);
  std::string result(buffer);
  char name[IF_NAMESIZE];
  if (scopeId_ != 0 && if_indextoname(scopeId_, name) != nullptr) {
    result += '%';
    result += name;
  }
  return result;
}

size_t SocketAddress::hash() const {
  const std::string_view ip(reinterpret_cast<const char*>(ip_.data()), ip_.size());
  return std::hash<std::string_view>()(ip) ^ (static_cast<size_t>(port_) * 0x9e3779b97f4a7c15ULL);
}

}  // namespace streamkit
