#include <node_api.h>

#include "node/plane_object.h"

// Registers what src/fanout/native-addon.ts describes, and nothing else. There is no state but in the planes,
// so any number of environments (worker threads) may load it.

namespace {

/** See surfaceVersion in src/fanout/native-addon.ts. */
constexpr double kSurfaceVersion = 14;

}  // namespace

NAPI_MODULE_INIT() {
  napi_value version = nullptr;
  napi_value create = nullptr;
  if (napi_create_double(env, kSurfaceVersion, &version) != napi_ok ||
      napi_set_named_property(env, exports, "surfaceVersion", version) != napi_ok ||
      napi_create_function(env, "createPlane", NAPI_AUTO_LENGTH, streamkit::createPlane, nullptr, &create) !=
          napi_ok ||
      napi_set_named_property(env, exports, "createPlane", create) != napi_ok) {
    napi_throw_error(env, nullptr, "The media plane could not register itself");
  }
  return exports;
}
