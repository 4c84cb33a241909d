#include <uv.h>

#include "address_values.h"
#include "plane_calls.h"

namespace streamkit::calls {
namespace {

/** The longest request to a TURN server is far shorter. */
constexpr size_t kMaxRequestBytes = 2048;

/** The socket that the first argument names; negative if it is closed. */
int relayOf(Plane& plane, Arguments& arguments) {
  const uint32_t socket = arguments.id(0);
  return !arguments.failed() && plane.relays.contains(socket) ? static_cast<int>(socket) : -1;
}

/** 0, with an exception pending, if the second argument is no number of a channel. */
uint16_t channelOf(Arguments& arguments) {
  const uint32_t channel = arguments.id(1);
  if (!arguments.failed() && (channel < kFirstChannel || channel > kLastChannel)) {
    arguments.fail("ERR_OUT_OF_RANGE", "The number of a channel lies between 0x4000 and 0x4fff");
  }
  return arguments.failed() ? 0 : static_cast<uint16_t>(channel);
}

napi_value openedValue(Arguments& arguments, const std::string& call, const std::string& address,
                       const RelaySockets::Opened& opened) {
  if (opened.limit == RelaySockets::Limit::kEndpoint) {
    return arguments.fail("ERR_ENDPOINT_LIMIT", call + ": the endpoint has as many as it may");
  }
  if (opened.limit == RelaySockets::Limit::kPlane) {
    return arguments.fail("ERR_PLANE_LIMIT", call + ": the plane has as many as it may");
  }
  if (opened.socket < 0) {
    const std::string name = uv_err_name(uv_translate_sys_error(opened.error));
    return arguments.fail(name.c_str(), call + " " + name + " " + address);
  }
  return ObjectBuilder(arguments.env())
      .set("socket", opened.socket)
      .set("address", opened.local.text())
      .set("port", opened.local.port())
      .value();
}

}  // namespace

napi_value openRelay(Plane& plane, Arguments& arguments) {
  const uint32_t endpoint = arguments.id(0);
  const std::string text = arguments.text(1);
  const auto local = addressOf(arguments, text, 0);
  const auto server = arguments.failed() ? std::nullopt : addressAt(arguments, 2);
  if (!local.has_value() || !server.has_value()) {
    return nullptr;
  }
  if (!plane.open() || !plane.endpoints.contains(endpoint)) {
    return arguments.fail("ERR_INVALID_STATE", "A relay needs an open endpoint");
  }
  if (local->isIpv6() != server->isIpv6()) {
    return arguments.fail("EINVAL", "A relay and its server need addresses of one family");
  }
  return openedValue(arguments, "openRelay", text, plane.openRelay(endpoint, *local, *server));
}

napi_value dialRelay(Plane& plane, Arguments& arguments) {
  const uint32_t endpoint = arguments.id(0);
  const auto server = arguments.failed() ? std::nullopt : addressAt(arguments, 1);
  if (!server.has_value()) {
    return nullptr;
  }
  if (!plane.open() || !plane.endpoints.contains(endpoint)) {
    return arguments.fail("ERR_INVALID_STATE", "A relay needs an open endpoint");
  }
  const bool isTls = !arguments.isNull(2);
  const std::string serverName = isTls ? arguments.text(2) : "";
  if (arguments.failed()) {
    return nullptr;
  }
  std::unique_ptr<TlsClient> tls;
  if (isTls) {
    if (plane.tls == nullptr) {
      return arguments.fail("ERR_INVALID_STATE", "A relay over TLS needs trusted certificates");
    }
    tls = std::make_unique<TlsClient>(plane.tls, serverName);
    if (tls->isEnded()) {
      return arguments.fail("ERR_CRYPTO_OPERATION_FAILED", tls->endReason());
    }
  }
  return openedValue(arguments, "dialRelay", server->text(),
                     plane.dialRelay(endpoint, *server, std::move(tls)));
}

napi_value trustCertificates(Plane& plane, Arguments& arguments) {
  const std::string pem = arguments.text(0);
  const bool withSystem = arguments.boolean(1);
  if (arguments.failed()) {
    return nullptr;
  }
  if (!plane.open()) {
    return arguments.fail("ERR_PLANE_CLOSED", "The media plane is closed");
  }
  auto context = TlsContext::create(pem, withSystem);
  if (context == nullptr) {
    return arguments.fail("ERR_CRYPTO_OPERATION_FAILED",
                          "OpenSSL could not set up TLS with these certificates");
  }
  plane.tls = std::move(context);
  return nullptr;
}

napi_value sendToRelay(Plane& plane, Arguments& arguments) {
  const int relay = relayOf(plane, arguments);
  const Bytes message = arguments.bytes(1);
  if (arguments.failed()) {
    return nullptr;
  }
  if (message.size() > kMaxRequestBytes) {
    return arguments.fail("EMSGSIZE",
                          "A request of " + std::to_string(message.size()) + " bytes is too long");
  }
  if (relay >= 0) {
    plane.thread().postToRelay(relay, message);
  }
  return nullptr;
}

napi_value bindChannel(Plane& plane, Arguments& arguments) {
  const int relay = relayOf(plane, arguments);
  const uint16_t channel = channelOf(arguments);
  const auto peer = arguments.failed() ? std::nullopt : addressAt(arguments, 2);
  if (peer.has_value() && relay >= 0) {
    plane.thread().bindChannel(relay, channel, *peer);
  }
  return nullptr;
}

napi_value unbindChannel(Plane& plane, Arguments& arguments) {
  const int relay = relayOf(plane, arguments);
  const uint16_t channel = channelOf(arguments);
  if (!arguments.failed() && relay >= 0) {
    plane.thread().unbindChannel(relay, channel);
  }
  return nullptr;
}

napi_value closeRelay(Plane& plane, Arguments& arguments) {
  const int relay = relayOf(plane, arguments);
  if (relay >= 0) {
    plane.relays.erase(static_cast<uint32_t>(relay));
    plane.thread().closeRelay(relay);
  }
  return nullptr;
}

}  // namespace streamkit::calls
