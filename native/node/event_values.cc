#include "event_values.h"

#include "values.h"

namespace streamkit {
namespace {

napi_value dataValue(napi_env env, const Event& event) {
  napi_value data = nullptr;
  napi_create_buffer_copy(env, event.data.size(), event.data.data(), nullptr, &data);
  return data;
}

napi_value packetValue(napi_env env, const Event& event) {
  ObjectBuilder from(env);
  from.set("address", event.from.text()).set("port", event.from.port());
  ObjectBuilder object(env);
  object.set("type", std::string("packet")).set("endpoint", event.id).set("socket", event.socket);
  return object.set("from", from.value()).set("data", dataValue(env, event)).value();
}

const char* reasonOf(MediaFault fault) {
  switch (fault) {
    case MediaFault::kMalformed:
      return "malformed";
    case MediaFault::kOversized:
      return "oversized";
    case MediaFault::kFlooded:
      return "flooded";
    case MediaFault::kClosed:
      break;
  }
  return "closed";
}

const char* reasonOf(DtlsFault fault) {
  switch (fault) {
    case DtlsFault::kFingerprint:
      return "fingerprint";
    case DtlsFault::kHandshake:
      return "handshake";
    case DtlsFault::kTimeout:
      return "timeout";
    case DtlsFault::kNoSrtp:
      return "noSrtp";
    case DtlsFault::kCapacity:
      return "capacity";
    case DtlsFault::kClosed:
      break;
  }
  return "closed";
}

napi_value dtlsDataValue(napi_env env, const Event& event) {
  return ObjectBuilder(env)
      .set("type", std::string("dtlsData"))
      .set("endpoint", event.id)
      .set("data", dataValue(env, event))
      .value();
}

napi_value relayAnswerValue(napi_env env, const Event& event) {
  return ObjectBuilder(env)
      .set("type", std::string("relayAnswer"))
      .set("socket", event.socket)
      .set("data", dataValue(env, event))
      .value();
}

napi_value eventValue(napi_env env, const Event& event) {
  switch (event.type) {
    case Event::Type::kPacket:
      return packetValue(env, event);
    case Event::Type::kKeyframe:
      return ObjectBuilder(env).set("type", std::string("keyframe")).set("producer", event.id).value();
    case Event::Type::kSwitched:
      return ObjectBuilder(env)
          .set("type", std::string("switched"))
          .set("consumer", event.id)
          .set("producer", event.producer)
          .value();
    case Event::Type::kConsentLost:
      return ObjectBuilder(env).set("type", std::string("consentLost")).set("consent", event.id).value();
    case Event::Type::kMediaSocketFailed:
      return ObjectBuilder(env)
          .set("type", std::string("mediaSocketFailed"))
          .set("id", event.id)
          .set("reason", std::string(reasonOf(event.fault)))
          .value();
    case Event::Type::kDtlsConnected:
      return ObjectBuilder(env).set("type", std::string("dtlsConnected")).set("endpoint", event.id).value();
    case Event::Type::kDtlsData:
      return dtlsDataValue(env, event);
    case Event::Type::kDtlsEnded:
      return ObjectBuilder(env)
          .set("type", std::string("dtlsEnded"))
          .set("endpoint", event.id)
          .set("reason", std::string(reasonOf(event.dtlsFault)))
          .value();
    case Event::Type::kRelayAnswer:
      return relayAnswerValue(env, event);
    case Event::Type::kRelayEnded:
      return ObjectBuilder(env)
          .set("type", std::string("relayEnded"))
          .set("socket", event.socket)
          .set("reason", event.reason)
          .value();
    case Event::Type::kEstimate:
      break;
  }
  return ObjectBuilder(env)
      .set("type", std::string("estimate"))
      .set("transport", event.id)
      .set("bitrateBps", event.bitrateBps)
      .value();
}

}  // namespace

napi_value eventList(napi_env env, const std::vector<Event>& events) {
  napi_value list = nullptr;
  napi_create_array_with_length(env, events.size(), &list);
  for (uint32_t i = 0; i < events.size(); i += 1) {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env, &scope);
    napi_set_element(env, list, i, eventValue(env, events[i]));
    napi_close_handle_scope(env, scope);
  }
  return list;
}

}  // namespace streamkit
