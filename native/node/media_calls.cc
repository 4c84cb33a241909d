#include <algorithm>
#include <array>
#include <cstring>

#include "plane_calls.h"

namespace streamkit::calls {
namespace {

constexpr size_t kMaxFrameBytes = 16 * 1024 * 1024;

/** @returns false where the offsets do not describe payloads of `data`; then nothing may be read by them. */
bool offsetsFit(std::span<const uint32_t> offsets, size_t bytes) {
  if (offsets.back() > bytes || bytes > kMaxFrameBytes) {
    return false;
  }
  for (size_t i = 1; i < offsets.size(); i += 1) {
    if (offsets[i] <= offsets[i - 1] || offsets[i] - offsets[i - 1] > kMaxPayloadBytes) {
      return false;
    }
  }
  return true;
}

uint8_t smallNumber(Arguments& arguments, napi_value object, const char* name, uint32_t max) {
  const uint32_t value = arguments.toU32(arguments.property(object, name));
  if (value > max) {
    arguments.fail("ERR_OUT_OF_RANGE", std::string(name) + " is at most " + std::to_string(max));
  }
  return static_cast<uint8_t>(value);
}

ConsumerParameters consumerParameters(Arguments& arguments, napi_value from) {
  constexpr uint32_t kMaxPayloadType = 127;
  constexpr uint32_t kMaxExtensionId = 14;
  ConsumerParameters parameters;
  parameters.ssrc = arguments.toU32(arguments.property(from, "ssrc"));
  parameters.payloadType = smallNumber(arguments, from, "payloadType", kMaxPayloadType);
  parameters.rtxSsrc = arguments.toU32(arguments.property(from, "rtxSsrc"));
  parameters.rtxPayloadType = smallNumber(arguments, from, "rtxPayloadType", kMaxPayloadType);
  parameters.redPayloadType = smallNumber(arguments, from, "redPayloadType", kMaxPayloadType);
  parameters.packetTimeMaxMs = arguments.toU32(arguments.property(from, "packetTimeMaxMs"));
  parameters.fecSsrc = arguments.toU32(arguments.property(from, "fecSsrc"));
  parameters.fecPayloadType = smallNumber(arguments, from, "fecPayloadType", kMaxPayloadType);
  parameters.mid = arguments.toText(arguments.property(from, "mid"));
  parameters.cname = arguments.toText(arguments.property(from, "cname"));
  parameters.headerExtensions.mid = smallNumber(arguments, from, "midId", kMaxExtensionId);
  parameters.headerExtensions.transportWideCc =
      smallNumber(arguments, from, "transportWideCcId", kMaxExtensionId);
  parameters.headerExtensions.playoutDelay = smallNumber(arguments, from, "playoutDelayId", kMaxExtensionId);
  parameters.headerExtensions.absCaptureTime =
      smallNumber(arguments, from, "absCaptureTimeId", kMaxExtensionId);
  parameters.rid = arguments.toText(arguments.property(from, "rid"));
  parameters.headerExtensions.rid = smallNumber(arguments, from, "ridId", kMaxExtensionId);
  parameters.headerExtensions.repairedRid = smallNumber(arguments, from, "repairedRidId", kMaxExtensionId);
  parameters.playoutDelayMaxMs = arguments.toU32(arguments.property(from, "playoutDelayMaxMs"));
  parameters.targetBitrateBps = arguments.toNumber(arguments.property(from, "targetBitrateBps"));
  parameters.forwarded = arguments.toBoolean(arguments.property(from, "forwarded"));
  return parameters;
}

}  // namespace

napi_value createProducer(Plane& plane, Arguments& arguments) {
  const napi_value from = arguments.at(0);
  ProducerParameters parameters;
  const std::string kind = arguments.toText(arguments.property(from, "kind"));
  parameters.video = kind == "video";
  parameters.clockRateHz = arguments.toU32(arguments.property(from, "clockRateHz"));
  parameters.keyframeIntervalMinUs =
      static_cast<int64_t>(arguments.toNumber(arguments.property(from, "keyframeIntervalMinMs")) * 1000);
  parameters.historyUs =
      static_cast<int64_t>(arguments.toNumber(arguments.property(from, "historyMs")) * 1000);
  parameters.gopReplay = arguments.toBoolean(arguments.property(from, "gopReplay"));
  parameters.targetBitrateBps = arguments.toNumber(arguments.property(from, "targetBitrateBps"));
  if (arguments.failed()) {
    return nullptr;
  }
  if (!plane.open()) {
    return arguments.fail("ERR_PLANE_CLOSED", "The media plane is closed");
  }
  if ((kind != "video" && kind != "audio") || parameters.clockRateHz == 0) {
    return arguments.fail("ERR_INVALID_ARG_VALUE", "A producer is video or audio and has a clock rate");
  }
  const uint32_t id = plane.nextId();
  plane.producers.insert(id);
  plane.thread().post([=](MediaCore& core, int64_t) { core.createProducer(id, parameters); });
  return arguments.result(id);
}

napi_value sendFrame(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const Bytes data = arguments.bytes(1);
  const auto offsets = arguments.uint32s(2);
  const uint32_t rtpTimestamp = arguments.id(3);
  const double captureTimeUs = arguments.number(4);
  const bool keyframe = arguments.boolean(5);
  if (arguments.failed() || !plane.producers.contains(id) || offsets.size() < 2) {
    return nullptr;
  }
  if (!offsetsFit(offsets, data.size())) {
    return arguments.fail("ERR_OUT_OF_RANGE", "The offsets do not describe payloads of 1 to " +
                                                  std::to_string(kMaxPayloadBytes) + " bytes in the data");
  }
  EncodedFrame frame;
  const size_t start = offsets.front();
  const size_t bytes = offsets.back() - start;
  frame.bytes = std::make_unique<uint8_t[]>(bytes);
  std::memcpy(frame.bytes.get(), data.data() + start, bytes);
  frame.offsets.reserve(offsets.size());
  for (const uint32_t offset : offsets) {
    frame.offsets.push_back(static_cast<uint32_t>(offset - start));
  }
  frame.rtpTimestamp = rtpTimestamp;
  frame.captureTimeUs = static_cast<int64_t>(captureTimeUs);
  frame.keyframe = keyframe;
  plane.thread().postFrame(id, std::move(frame));
  return nullptr;
}

napi_value setProducerBitrate(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const double bitrateBps = arguments.number(1);
  if (!arguments.failed() && plane.producers.contains(id)) {
    plane.thread().post([=](MediaCore& core, int64_t) { core.setProducerBitrate(id, bitrateBps); });
  }
  return nullptr;
}

napi_value closeProducer(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  if (!arguments.failed() && plane.producers.contains(id)) {
    plane.forgetProducer(id);
    plane.thread().postCloseProducer(id);
  }
  return nullptr;
}

napi_value createTransport(Plane& plane, Arguments& arguments) {
  const uint32_t endpoint = arguments.id(0);
  if (arguments.failed()) {
    return nullptr;
  }
  const auto found = plane.endpoints.find(endpoint);
  if (found == plane.endpoints.end()) {
    return arguments.fail("ERR_INVALID_STATE", "A transport needs an open endpoint");
  }
  const uint32_t id = plane.nextId();
  auto stats = std::make_shared<TransportStats>();
  plane.forgetTransport(found->second);
  found->second = id;
  plane.transports[id] = {endpoint, stats, {}, {}};
  plane.thread().post([id, endpoint, stats](MediaCore& core, int64_t) {
    // Without a connection, as when it has ended meanwhile, there is nothing to send to.
    [[maybe_unused]] const bool created = core.createDtlsTransport(id, endpoint, stats);
  });
  return arguments.result(id);
}

napi_value closeTransport(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  if (!arguments.failed() && plane.transports.contains(id)) {
    plane.forgetTransport(id);
    plane.thread().post([id](MediaCore& core, int64_t) { core.closeTransport(id); });
  }
  return nullptr;
}

napi_value rtcpDropped(Plane& plane, Arguments& arguments) {
  const auto found = plane.transports.find(arguments.id(0));
  return arguments.result(
      found == plane.transports.end() ? 0 : static_cast<double>(found->second.stats->rtcpDropped.get()));
}

napi_value transportStats(Plane& plane, Arguments& arguments) {
  const auto found = plane.transports.find(arguments.id(0));
  if (found == plane.transports.end()) {
    return nullptr;
  }
  const TransportStats& from = *found->second.stats;
  ObjectBuilder object(arguments.env());
  object.set("estimatedBitrateBps", from.estimatedBitrateBps)
      .set("queueMs", from.queueMs)
      .set("lossShare", from.lossShare)
      .set("paddingBytes", from.paddingBytes);
  return object.value();
}

napi_value consume(Plane& plane, Arguments& arguments) {
  const uint32_t transportId = arguments.id(0);
  const uint32_t producer = arguments.id(1);
  const ConsumerParameters parameters = consumerParameters(arguments, arguments.at(2));
  if (arguments.failed()) {
    return nullptr;
  }
  const auto transport = plane.transports.find(transportId);
  if (transport == plane.transports.end() || !plane.producers.contains(producer)) {
    return arguments.fail("ERR_INVALID_STATE",
                          "A consumer needs an open producer and transport of one plane");
  }
  auto& ssrcs = transport->second.ssrcs;
  const auto [ssrc, rtxSsrc, fecSsrc] = std::array{parameters.ssrc, parameters.rtxSsrc, parameters.fecSsrc};
  const bool areSame = ssrc == rtxSsrc || ssrc == fecSsrc || (rtxSsrc != 0 && rtxSsrc == fecSsrc);
  if (areSame || ssrcs.contains(ssrc) || ssrcs.contains(rtxSsrc) || ssrcs.contains(fecSsrc)) {
    return arguments.fail("ERR_INVALID_STATE",
                          "The SSRCs of a transport must differ: they are its SRTP nonces");
  }
  ssrcs.insert({ssrc, rtxSsrc, fecSsrc});
  ssrcs.erase(0);
  const uint32_t id = plane.nextId();
  auto stats = std::make_shared<ConsumerStats>();
  transport->second.consumers.insert(id);
  plane.consumers[id] = {transportId, producer, 0, ssrc, rtxSsrc, fecSsrc, stats};
  plane.thread().post([=](MediaCore& core, int64_t nowUs) {
    core.consume(id, transportId, producer, parameters, stats, nowUs);
  });
  return arguments.result(id);
}

napi_value pauseConsumer(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  if (!arguments.failed() && plane.consumers.contains(id)) {
    plane.thread().post([id](MediaCore& core, int64_t) { core.pauseConsumer(id); });
  }
  return nullptr;
}

napi_value resumeConsumer(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  if (!arguments.failed() && plane.consumers.contains(id)) {
    plane.thread().post([id](MediaCore& core, int64_t nowUs) { core.resumeConsumer(id, nowUs); });
  }
  return nullptr;
}

napi_value switchConsumer(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const uint32_t producer = arguments.id(1);
  const auto consumer = plane.consumers.find(id);
  if (!arguments.failed() && consumer != plane.consumers.end() && plane.producers.contains(producer)) {
    consumer->second.target = producer;
    plane.thread().post([=](MediaCore& core, int64_t nowUs) { core.switchConsumer(id, producer, nowUs); });
  }
  return nullptr;
}

napi_value setTargetBitrate(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const double bitrateBps = arguments.number(1);
  if (!arguments.failed() && plane.consumers.contains(id)) {
    plane.thread().post([=](MediaCore& core, int64_t) { core.setTargetBitrate(id, bitrateBps); });
  }
  return nullptr;
}

napi_value closeConsumer(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  if (!arguments.failed() && plane.consumers.contains(id)) {
    plane.forgetConsumer(id);
    plane.thread().post([id](MediaCore& core, int64_t) { core.closeConsumer(id); });
  }
  return nullptr;
}

napi_value consumerStats(Plane& plane, Arguments& arguments) {
  const auto found = plane.consumers.find(arguments.id(0));
  if (found == plane.consumers.end()) {
    return nullptr;
  }
  const ConsumerStats& from = *found->second.stats;
  ObjectBuilder object(arguments.env());
  object.set("packetsSent", from.packetsSent)
      .set("bytesSent", from.bytesSent)
      .set("packetsRetransmitted", from.packetsRetransmitted)
      .set("repairPacketsSent", from.repairPacketsSent)
      .set("repairBytesSent", from.repairBytesSent)
      .set("framesDropped", from.framesDropped)
      .set("nacksReceived", from.nacksReceived)
      .set("plisReceived", from.plisReceived)
      .set("firsReceived", from.firsReceived)
      .set("fractionLost", from.fractionLost)
      .set("packetsLost", from.packetsLost)
      .set("jitterMs", from.jitterMs)
      .set("rttMs", from.rttMs);
  return object.value();
}

}  // namespace streamkit::calls
