#pragma once

#include <node_api.h>

namespace streamkit {

/** `createPlane(options, onEvents)` of src/fanout/native-addon.ts. */
napi_value createPlane(napi_env env, napi_callback_info info);

}  // namespace streamkit
