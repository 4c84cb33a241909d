#include "address_values.h"

namespace streamkit {

std::optional<SocketAddress> addressOf(Arguments& arguments, const std::string& text, double port) {
  constexpr double kMaxPort = 65535;
  if (arguments.failed() || !(port >= 0 && port <= kMaxPort)) {
    arguments.fail("ERR_SOCKET_BAD_PORT", "A port lies between 0 and 65535");
    return std::nullopt;
  }
  const auto address = SocketAddress::fromText(text, static_cast<uint16_t>(port));
  if (!address.has_value()) {
    arguments.fail("EINVAL", "Not an IPv4 or IPv6 address: " + text);
  }
  return address;
}

std::optional<SocketAddress> addressAt(Arguments& arguments, size_t index) {
  const napi_value given = arguments.at(index);
  const std::string text = arguments.toText(arguments.property(given, "address"));
  const double port = arguments.toNumber(arguments.property(given, "port"));
  return addressOf(arguments, text, port);
}

}  // namespace streamkit
