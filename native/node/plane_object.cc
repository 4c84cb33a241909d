#include "plane_object.h"

#include <openssl/crypto.h>

#include <cstring>
#include <random>

#include "../io/clock.h"
#include "event_values.h"
#include "plane.h"
#include "plane_calls.h"
#include "values.h"

namespace streamkit {
namespace {

/** Marks our objects: a method called on another one throws, instead of taking it for a plane. */
constexpr napi_type_tag kPlaneTag{0x6f3a5f5c3d0c4a43, 0x9d2f1be84c6a7e15};

using Call = napi_value (*)(Plane&, Arguments&);

struct Method {
  const char* name;
  Call call;
};

constexpr Method kMethods[] = {
    {"bind", calls::bind},
    {"listenTcp", calls::listenTcp},
    {"openRelay", calls::openRelay},
    {"trustCertificates", calls::trustCertificates},
    {"dialRelay", calls::dialRelay},
    {"sendToRelay", calls::sendToRelay},
    {"bindChannel", calls::bindChannel},
    {"unbindChannel", calls::unbindChannel},
    {"closeRelay", calls::closeRelay},
    {"createEndpoint", calls::createEndpoint},
    {"setLocalCredentials", calls::setLocalCredentials},
    {"setRemoteCredentials", calls::setRemoteCredentials},
    {"sendPacket", calls::sendPacket},
    {"keepConsent", calls::keepConsent},
    {"endConsent", calls::endConsent},
    {"closeEndpoint", calls::closeEndpoint},
    {"setCertificate", calls::setCertificate},
    {"startDtls", calls::startDtls},
    {"sendDtls", calls::sendDtls},
    {"createProducer", calls::createProducer},
    {"sendFrame", calls::sendFrame},
    {"setProducerBitrate", calls::setProducerBitrate},
    {"closeProducer", calls::closeProducer},
    {"createTransport", calls::createTransport},
    {"closeTransport", calls::closeTransport},
    {"rtcpDropped", calls::rtcpDropped},
    {"transportStats", calls::transportStats},
    {"consume", calls::consume},
    {"pauseConsumer", calls::pauseConsumer},
    {"resumeConsumer", calls::resumeConsumer},
    {"switchConsumer", calls::switchConsumer},
    {"setTargetBitrate", calls::setTargetBitrate},
    {"closeConsumer", calls::closeConsumer},
    {"consumerStats", calls::consumerStats},
    {"openMediaSocket", calls::openMediaSocket},
    {"bindMediaStream", calls::bindMediaStream},
    {"unbindMediaStream", calls::unbindMediaStream},
    {"mediaSocketStats", calls::mediaSocketStats},
    {"closeMediaSocket", calls::closeMediaSocket},
    {"stats", calls::stats},
    {"close", calls::close},
};

napi_value callMethod(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  Arguments arguments(env, info);
  bool tagged = false;
  void* plane = nullptr;
  if (arguments.failed() ||
      napi_check_object_type_tag(env, arguments.self(), &kPlaneTag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(env, arguments.self(), &plane) != napi_ok) {
    return arguments.fail("ERR_INVALID_THIS", "A method of the media plane was called on something else");
  }
  return static_cast<const Method*>(data)->call(*static_cast<Plane*>(plane), arguments);
}

void deletePlane(napi_env, void* plane, void*) {
  delete static_cast<Plane*>(plane);
}

}  // namespace

napi_value createPlane(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const napi_value given = arguments.at(0);
  const bool gso = !arguments.has(given, "gso") || arguments.toBoolean(arguments.property(given, "gso"));
  napi_valuetype callbackType = napi_undefined;
  napi_typeof(env, arguments.at(1), &callbackType);
  if (arguments.failed() || callbackType != napi_function) {
    return arguments.fail("ERR_INVALID_ARG_TYPE", "createPlane() expects options and a function for events");
  }
  const uint32_t sendThreads =
      arguments.has(given, "sendThreads") ? arguments.toU32(arguments.property(given, "sendThreads")) : 1;
  if (!arguments.failed() && (sendThreads < 1 || sendThreads > IoThread::kMaxSendThreads)) {
    return arguments.fail("ERR_OUT_OF_RANGE", "Expected 1 to " + std::to_string(IoThread::kMaxSendThreads) +
                                                  " for sendThreads but received " +
                                                  std::to_string(sendThreads));
  }
  MediaCore::Options options;
  options.wallOffsetUs = wallUs() - monotonicUs();
  options.seed = std::random_device()();
  auto plane = std::make_unique<Plane>(env, options, gso, sendThreads);
  if (!plane->start(env, arguments.at(1))) {
    return nullptr;
  }
  std::array<napi_property_descriptor, std::size(kMethods)> properties{};
  for (size_t i = 0; i < properties.size(); i += 1) {
    properties[i].utf8name = kMethods[i].name;
    properties[i].method = callMethod;
    properties[i].attributes = napi_default_method;
    properties[i].data = const_cast<Method*>(&kMethods[i]);
  }
  napi_value object = nullptr;
  if (napi_create_object(env, &object) != napi_ok ||
      napi_define_properties(env, object, properties.size(), properties.data()) != napi_ok ||
      napi_type_tag_object(env, object, &kPlaneTag) != napi_ok ||
      napi_wrap(env, object, plane.get(), deletePlane, nullptr, nullptr) != napi_ok) {
    return arguments.fail("ERR_OUT_OF_MEMORY", "The media plane could not be wrapped");
  }
  plane.release();
  return object;
}

}  // namespace streamkit
