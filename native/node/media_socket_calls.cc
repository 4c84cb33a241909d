#include <uv.h>

#include <optional>

#include "../io/media_socket.h"
#include "plane_calls.h"

namespace streamkit::calls {
namespace {

/** Nothing, with an exception pending, if it is none. */
std::optional<uint8_t> slotOf(Arguments& arguments, size_t index) {
  const uint32_t slot = arguments.id(index);
  if (arguments.failed() || slot >= MediaSocketStats::kSlots) {
    arguments.fail("ERR_OUT_OF_RANGE", "Expected a slot between 0 and " +
                                           std::to_string(MediaSocketStats::kSlots - 1) + " but received " +
                                           std::to_string(slot));
    return std::nullopt;
  }
  return static_cast<uint8_t>(slot);
}

napi_value slotValue(napi_env env, const MediaSlotStats& stats) {
  return ObjectBuilder(env)
      .set("frames", stats.frames)
      .set("bytes", stats.bytes)
      .set("keyframes", stats.keyframes)
      .set("dropped", stats.dropped)
      .set("lastFrameUs", stats.lastFrameUs)
      .value();
}

}  // namespace

napi_value openMediaSocket(Plane& plane, Arguments& arguments) {
  if (!plane.open()) {
    return arguments.fail("ERR_PLANE_CLOSED", "The media plane is closed");
  }
  const auto pair = MediaSocket::open();
  if (pair.error != 0) {
    const std::string code = uv_err_name(uv_translate_sys_error(pair.error));
    return arguments.fail(code.c_str(), "No media socket could be opened: " + code);
  }
  const uint32_t id = plane.nextId();
  auto stats = std::make_shared<MediaSocketStats>();
  plane.mediaSockets[id] = stats;
  plane.thread().addMediaSocket(id, pair.ours, std::move(stats));
  return ObjectBuilder(arguments.env()).set("id", id).set("fd", pair.theirs).value();
}

napi_value bindMediaStream(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const auto slot = slotOf(arguments, 1);
  const uint32_t producer = arguments.id(2);
  if (!arguments.failed() && plane.mediaSockets.contains(id) && plane.producers.contains(producer)) {
    plane.thread().bindMediaStream(id, *slot, producer);
  }
  return nullptr;
}

napi_value unbindMediaStream(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const auto slot = slotOf(arguments, 1);
  if (!arguments.failed() && plane.mediaSockets.contains(id)) {
    plane.thread().unbindMediaStream(id, *slot);
  }
  return nullptr;
}

napi_value mediaSocketStats(Plane& plane, Arguments& arguments) {
  const auto found = plane.mediaSockets.find(arguments.id(0));
  if (arguments.failed() || found == plane.mediaSockets.end()) {
    return nullptr;
  }
  napi_value slots = nullptr;
  napi_create_array_with_length(arguments.env(), MediaSocketStats::kSlots, &slots);
  for (uint32_t slot = 0; slot < MediaSocketStats::kSlots; slot += 1) {
    napi_set_element(arguments.env(), slots, slot, slotValue(arguments.env(), found->second->slots[slot]));
  }
  return slots;
}

napi_value closeMediaSocket(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  if (!arguments.failed() && plane.mediaSockets.erase(id) > 0) {
    plane.thread().closeMediaSocket(id);
  }
  return nullptr;
}

}  // namespace streamkit::calls
