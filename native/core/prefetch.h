#pragma once

#include <cstddef>

namespace streamkit {

constexpr size_t kCacheLineBytes = 64;

/** Loads what lies there into the cache, without waiting for it. Beyond its end nothing happens. */
inline void prefetchLines(const void* start, size_t bytes) {
  const auto* const at = static_cast<const char*>(start);
  for (size_t offset = 0; offset < bytes; offset += kCacheLineBytes) {
    __builtin_prefetch(at + offset);
  }
}

}  // namespace streamkit
