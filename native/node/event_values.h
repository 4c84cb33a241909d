#pragma once

#include <node_api.h>

#include <vector>

#include "../io/event_queue.h"

namespace streamkit {

/** Events as the array of NativeEvent that src/fanout/native-addon.ts describes. */
napi_value eventList(napi_env env, const std::vector<Event>& events);

}  // namespace streamkit
