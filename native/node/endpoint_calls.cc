#include <uv.h>

#include "address_values.h"
#include "plane_calls.h"

namespace streamkit::calls {
namespace {

/** STUN and DTLS records fit in one datagram of this many bytes, or else the path would fragment them. */
constexpr size_t kMaxPacketBytes = 65000;
/** Longest binding request; a user name has 513 bytes at most (RFC 8489 section 14.3). */
constexpr size_t kMaxRequestBytes = 1024;

napi_value closed(Arguments& arguments) {
  return arguments.fail("ERR_PLANE_CLOSED", "The media plane is closed");
}

/** Opens a socket of an address and a port. */
napi_value open(Plane& plane, Arguments& arguments, const char* what,
                std::optional<Plane::Bound> (Plane::*method)(const SocketAddress&, int&)) {
  if (!plane.open()) {
    return closed(arguments);
  }
  const std::string text = arguments.text(0);
  const auto address = addressOf(arguments, text, arguments.number(1));
  if (!address.has_value()) {
    return nullptr;
  }
  int error = 0;
  const auto bound = (plane.*method)(*address, error);
  if (!bound.has_value()) {
    const std::string name = uv_err_name(uv_translate_sys_error(error));
    return arguments.fail(name.c_str(),
                          what + (" " + name + " " + text + ":") + std::to_string(address->port()));
  }
  return ObjectBuilder(arguments.env()).set("socket", bound->socket).set("port", bound->port).value();
}

}  // namespace

napi_value bind(Plane& plane, Arguments& arguments) {
  return open(plane, arguments, "bind", &Plane::bind);
}

napi_value listenTcp(Plane& plane, Arguments& arguments) {
  return open(plane, arguments, "listen", &Plane::listen);
}

napi_value createEndpoint(Plane& plane, Arguments& arguments) {
  const std::string ufrag = arguments.text(0);
  const std::string password = arguments.text(1);
  if (arguments.failed()) {
    return nullptr;
  }
  if (!plane.open()) {
    return closed(arguments);
  }
  const uint32_t id = plane.nextId();
  plane.endpoints[id] = 0;
  plane.thread().post([=](MediaCore& core, int64_t) { core.createEndpoint(id, ufrag, password); });
  return arguments.result(id);
}

napi_value setLocalCredentials(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const std::string ufrag = arguments.text(1);
  const std::string password = arguments.text(2);
  if (!arguments.failed() && plane.endpoints.contains(id)) {
    plane.thread().post([=](MediaCore& core, int64_t) { core.setLocalCredentials(id, ufrag, password); });
  }
  return nullptr;
}

napi_value setRemoteCredentials(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const std::string ufrag = arguments.text(1);
  const std::string password = arguments.text(2);
  if (!arguments.failed() && plane.endpoints.contains(id)) {
    plane.thread().post([=](MediaCore& core, int64_t) { core.setRemoteCredentials(id, ufrag, password); });
  }
  return nullptr;
}

napi_value sendPacket(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const uint32_t socket = arguments.id(1);
  const Bytes data = arguments.bytes(3);
  const auto address = addressAt(arguments, 2);
  if (!address.has_value()) {
    return nullptr;
  }
  if (data.size() > kMaxPacketBytes) {
    return arguments.fail("EMSGSIZE", "A datagram of " + std::to_string(data.size()) + " bytes is too long");
  }
  if (plane.endpoints.contains(id)) {
    plane.thread().postPacket(id, static_cast<int>(socket), *address, data);
  }
  return nullptr;
}

napi_value keepConsent(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const uint32_t socket = arguments.id(1);
  const Bytes data = arguments.bytes(3);
  const auto address = addressAt(arguments, 2);
  if (!address.has_value()) {
    return nullptr;
  }
  const auto request = StunMessage::parse(data);
  if (data.size() > kMaxRequestBytes || !request.has_value() || !request->isBinding() ||
      request->messageClass() != StunClass::kRequest || request->hasIntegrity()) {
    return arguments.fail("EINVAL", "Not a binding request that is still to be signed");
  }
  const uint32_t consent = plane.nextId();
  if (plane.endpoints.contains(id)) {
    plane.thread().post(
        [id, consent, pair = SelectedPair{static_cast<int>(socket), *address},
         copy = std::vector<uint8_t>(data.begin(), data.end())](MediaCore& core, int64_t nowUs) {
          core.keepConsent(id, consent, pair, copy, nowUs);
        });
  }
  return arguments.result(consent);
}

napi_value endConsent(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  if (!arguments.failed() && plane.endpoints.contains(id)) {
    plane.thread().post([id](MediaCore& core, int64_t) { core.endConsent(id); });
  }
  return nullptr;
}

napi_value closeEndpoint(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  if (!arguments.failed() && plane.endpoints.contains(id)) {
    plane.forgetEndpoint(id);
    plane.thread().post([id](MediaCore& core, int64_t) { core.closeEndpoint(id); });
  }
  return nullptr;
}

napi_value stats(Plane& plane, Arguments& arguments) {
  PlaneStats from;
  plane.addStats(from);
  ObjectBuilder object(arguments.env());
  object.set("packetsSent", from.packetsSent)
      .set("bytesSent", from.bytesSent)
      .set("sendCalls", from.sendCalls)
      .set("sendErrors", from.sendErrors)
      .setBoolean("gso", from.gso)
      .set("received", from.received)
      .set("droppedUnknownSource", from.droppedUnknownSource)
      .set("droppedStunIntegrity", from.droppedStunIntegrity)
      .set("droppedMalformed", from.droppedMalformed)
      .set("droppedSrtcpAuthentication", from.droppedSrtcpAuthentication)
      .set("droppedDtls", from.droppedDtls)
      .set("droppedRtcp", from.droppedRtcp)
      .set("tcpConnections", from.tcpConnections)
      .set("tcpRefused", from.tcpRefused)
      .set("eventsDropped", static_cast<double>(plane.eventsDropped()))
      .set("cpuUs", from.cpuUs);
  return object.value();
}

napi_value close(Plane& plane, Arguments&) {
  plane.close();
  return nullptr;
}

}  // namespace streamkit::calls
