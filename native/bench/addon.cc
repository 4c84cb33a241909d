// Registers what the fan-out bench needs: the load generator and the raw limit.
// scripts/bench/fanout/load-generator.mjs gives it a shape; the arguments come from there and are trusted.
#include <arpa/inet.h>
#include <node_api.h>

#include <exception>
#include <string>
#include <vector>

#include "clock.h"
#include "load_generator.h"
#include "raw_limit.h"

namespace {

using bench::LoadGenerator;
using bench::Viewer;

class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    napi_get_cb_info(env, info, &count_, values_, nullptr, nullptr);
  }
  double number(size_t i) const {
    double value = 0;
    napi_get_value_double(env_, values_[i], &value);
    return value;
  }
  std::string text(size_t i) const {
    char buffer[512];
    size_t size = 0;
    napi_get_value_string_utf8(env_, values_[i], buffer, sizeof buffer, &size);
    return std::string(buffer, size);
  }
  std::vector<uint16_t> ports(size_t i) const {
    uint32_t size = 0;
    napi_get_array_length(env_, values_[i], &size);
    std::vector<uint16_t> ports;
    for (uint32_t k = 0; k < size; k++) {
      napi_value element = nullptr;
      uint32_t port = 0;
      napi_get_element(env_, values_[i], k, &element);
      napi_get_value_uint32(env_, element, &port);
      ports.push_back(static_cast<uint16_t>(port));
    }
    return ports;
  }
  LoadGenerator& generator() const {
    void* data = nullptr;
    napi_get_value_external(env_, values_[0], &data);
    return *static_cast<LoadGenerator*>(data);
  }

 private:
  static constexpr size_t kMax = 10;
  napi_env env_;
  size_t count_ = kMax;
  napi_value values_[kMax];
};

class Result {
 public:
  explicit Result(napi_env env) : env_(env) { napi_create_object(env, &object_); }
  Result& set(const char* name, double number) {
    napi_value value = nullptr;
    napi_create_double(env_, number, &value);
    return set(name, value);
  }
  Result& set(const char* name, const std::string& text) {
    napi_value value = nullptr;
    napi_create_string_utf8(env_, text.data(), text.size(), &value);
    return set(name, value);
  }
  Result& set(const char* name, napi_value value) {
    napi_set_named_property(env_, object_, name, value);
    return *this;
  }
  napi_value get() const { return object_; }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

napi_value numberOf(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

/** What goes wrong in C++ must not leave through C. */
template <napi_value (*function)(napi_env, const Arguments&)>
napi_value guarded(napi_env env, napi_callback_info info) {
  try {
    return function(env, Arguments(env, info));
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
    return nullptr;
  }
}

/** (IPv4 address, gro, receiveBufferBytes, sampleEvery, feedbackMs, sweepUs) */
napi_value createGenerator(napi_env env, const Arguments& arguments) {
  bench::GeneratorOptions options;
  inet_pton(AF_INET, arguments.text(0).c_str(), &options.address);
  options.gro = arguments.number(1) != 0;
  options.receiveBufferBytes = static_cast<int>(arguments.number(2));
  options.sampleEvery = static_cast<uint32_t>(arguments.number(3));
  options.feedbackIntervalUs = static_cast<int64_t>(arguments.number(4) * 1000);
  auto* generator = new LoadGenerator(options, static_cast<int64_t>(arguments.number(5)));
  napi_value external = nullptr;
  napi_create_external(
      env, generator, [](napi_env, void* data, void*) { delete static_cast<LoadGenerator*>(data); }, nullptr,
      &external);
  return Result(env).set("handle", external).set("fingerprint", generator->fingerprint()).get();
}

/** (handle) → what its description says of it. */
napi_value addViewer(napi_env env, const Arguments& arguments) {
  LoadGenerator& generator = arguments.generator();
  const size_t index = generator.add();
  Result result(env);
  generator.withViewer(index, [&](Viewer& viewer) {
    result.set("index", static_cast<double>(index))
        .set("port", viewer.socket().port())
        .set("ufrag", viewer.credentials().ufrag)
        .set("password", viewer.credentials().password);
  });
  return result.get();
}

/** (handle, index, ufrag, password, fingerprint, videoSsrc, rtxSsrc, audioSsrc, transportWideCcId) */
napi_value setRemote(napi_env env, const Arguments& arguments) {
  bench::ViewerParameters parameters;
  parameters.remote = {arguments.text(2), arguments.text(3)};
  parameters.remoteFingerprint = arguments.text(4);
  parameters.videoSsrc = static_cast<uint32_t>(arguments.number(5));
  parameters.rtxSsrc = static_cast<uint32_t>(arguments.number(6));
  parameters.audioSsrc = static_cast<uint32_t>(arguments.number(7));
  parameters.transportWideCcId = static_cast<uint8_t>(arguments.number(8));
  arguments.generator().withViewer(static_cast<size_t>(arguments.number(1)),
                                   [&](Viewer& viewer) { viewer.setRemote(std::move(parameters)); });
  return numberOf(env, 0);
}

/** (handle, index, IPv4 address, port) */
napi_value addCandidate(napi_env env, const Arguments& arguments) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(arguments.number(3)));
  if (inet_pton(AF_INET, arguments.text(2).c_str(), &address.sin_addr) == 1) {
    arguments.generator().withViewer(static_cast<size_t>(arguments.number(1)),
                                     [&](Viewer& viewer) { viewer.addRemoteCandidate(address); });
  }
  return numberOf(env, 0);
}

/** (handle) → states of all viewers: 0 connecting, 1 connected, 2 failed, 3 closed, 255 removed. */
napi_value states(napi_env env, const Arguments& arguments) {
  std::vector<uint8_t> values;
  arguments.generator().forEachViewer([&](size_t index, const Viewer& viewer) {
    values.resize(index + 1, 255);
    values[index] = static_cast<uint8_t>(viewer.state());
  });
  napi_value buffer = nullptr;
  void* copy = nullptr;
  napi_create_buffer_copy(env, values.size(), values.data(), &copy, &buffer);
  return buffer;
}

/** (handle, index) → CLOCK_MONOTONIC µs, 0 for what has not happened. */
napi_value times(napi_env env, const Arguments& arguments) {
  Result result(env);
  arguments.generator().withViewer(static_cast<size_t>(arguments.number(1)), [&](const Viewer& viewer) {
    result.set("connectedUs", static_cast<double>(viewer.connectedUs()))
        .set("firstPacketUs", static_cast<double>(viewer.firstPacketUs()))
        .set("firstKeyframeUs", static_cast<double>(viewer.firstKeyframeUs()));
  });
  return result.get();
}

/** (handle) → sums over all viewers since the last restart. */
napi_value totals(napi_env env, const Arguments& arguments) {
  bench::ReceptionCounts media;
  bench::ViewerCounts sum;
  double viewers = 0;
  double receiving = 0;
  double losing = 0;
  double silent = 0;
  double firstKeyframes = 0;
  LoadGenerator& generator = arguments.generator();
  generator.forEachViewer([&](size_t, const Viewer& viewer) {
    if (viewer.state() != Viewer::State::connected)
      return;
    const bench::ViewerCounts counts = viewer.counts();
    viewers += 1;
    receiving += counts.video.received > 0 ? 1 : 0;
    losing += counts.video.lost + counts.audio.lost > 0 ? 1 : 0;
    silent += counts.rtcpSent == 0 ? 1 : 0;
    firstKeyframes += viewer.firstKeyframeUs() != 0 ? 1 : 0;
    for (const auto& part : {counts.video, counts.audio}) {
      media.received += part.received;
      media.bytes += part.bytes;
      media.lost += part.lost;
      media.duplicated += part.duplicated;
      media.reordered += part.reordered;
      media.recovered += part.recovered;
    }
    sum.audio.received += counts.audio.received;
    sum.rtxPackets += counts.rtxPackets;
    sum.sampled += counts.sampled;
    sum.sampleFailures += counts.sampleFailures;
    sum.strangePackets += counts.strangePackets;
    sum.senderReports += counts.senderReports;
    sum.rtcpFailures += counts.rtcpFailures;
    sum.rtcpSent += counts.rtcpSent;
    sum.overflowed += counts.overflowed;
  });
  const auto number = [](uint64_t value) { return static_cast<double>(value); };
  return Result(env)
      .set("viewers", viewers)
      .set("receiving", receiving)
      .set("losing", losing)
      .set("silent", silent)
      .set("withKeyframe", firstKeyframes)
      .set("packets", number(media.received))
      .set("audioPackets", number(sum.audio.received))
      .set("bytes", number(media.bytes))
      .set("lost", number(media.lost))
      .set("duplicated", number(media.duplicated))
      .set("reordered", number(media.reordered))
      .set("recovered", number(media.recovered))
      .set("rtxPackets", number(sum.rtxPackets))
      .set("sampled", number(sum.sampled))
      .set("sampleFailures", number(sum.sampleFailures))
      .set("strangePackets", number(sum.strangePackets))
      .set("senderReports", number(sum.senderReports))
      .set("rtcpFailures", number(sum.rtcpFailures))
      .set("rtcpSent", number(sum.rtcpSent))
      .set("overflowed", number(sum.overflowed))
      .set("cpuUs", static_cast<double>(generator.cpuUs()))
      .set("longestSweepUs", static_cast<double>(generator.takeLongestSweep()))
      .get();
}

napi_value restartCounts(napi_env env, const Arguments& arguments) {
  LoadGenerator& generator = arguments.generator();
  generator.forEachViewer([](size_t, Viewer& viewer) { viewer.restartCounts(); });
  generator.takeLongestSweep();
  return numberOf(env, 0);
}

/** (handle, index): a PLI. */
napi_value requestKeyframe(napi_env env, const Arguments& arguments) {
  arguments.generator().withViewer(static_cast<size_t>(arguments.number(1)),
                                   [](Viewer& viewer) { viewer.requestKeyframe(); });
  return numberOf(env, 0);
}

/** (handle, index) */
napi_value removeViewer(napi_env env, const Arguments& arguments) {
  arguments.generator().remove(static_cast<size_t>(arguments.number(1)));
  return numberOf(env, 0);
}

/** (handle, µs) */
napi_value setSweepInterval(napi_env env, const Arguments& arguments) {
  arguments.generator().setSweepInterval(static_cast<int64_t>(arguments.number(1)));
  return numberOf(env, 0);
}

/** (handle) → port */
napi_value addSink(napi_env env, const Arguments& arguments) {
  return numberOf(env, static_cast<double>(arguments.generator().addSink()));
}

/** (handle) → packets that arrived at all sinks */
napi_value sinkPackets(napi_env env, const Arguments& arguments) {
  uint64_t packets = 0;
  arguments.generator().forEachSink([&](const bench::Sink& sink) { packets += sink.packets; });
  return numberOf(env, static_cast<double>(packets));
}

napi_value removeSinks(napi_env env, const Arguments& arguments) {
  arguments.generator().removeSinks();
  return numberOf(env, 0);
}

napi_value closeGenerator(napi_env env, const Arguments& arguments) {
  arguments.generator().close();
  return numberOf(env, 0);
}

/** (ports, packetsPerBurst, packetBytes, durationMs, encrypt, send) */
napi_value rawLimit(napi_env env, const Arguments& arguments) {
  bench::RawLimitOptions options;
  options.ports = arguments.ports(0);
  options.packetsPerBurst = static_cast<uint32_t>(arguments.number(1));
  options.packetBytes = static_cast<uint32_t>(arguments.number(2));
  options.durationUs = static_cast<int64_t>(arguments.number(3) * 1000);
  options.encrypt = arguments.number(4) != 0;
  options.send = arguments.number(5) != 0;
  options.intervalUs = static_cast<int64_t>(arguments.number(6) * 1000);
  const bench::RawLimitResult result = bench::measureRawLimit(options);
  return Result(env)
      .set("packets", static_cast<double>(result.packets))
      .set("sendErrors", static_cast<double>(result.sendErrors))
      .set("wallUs", static_cast<double>(result.wallUs))
      .set("cpuUs", static_cast<double>(result.cpuUs))
      .get();
}

napi_value initialize(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
#define BENCH_FUNCTION(name) {#name, nullptr, guarded<name>, nullptr, nullptr, nullptr, napi_default, nullptr}
      BENCH_FUNCTION(createGenerator), BENCH_FUNCTION(addViewer),        BENCH_FUNCTION(setRemote),
      BENCH_FUNCTION(addCandidate),    BENCH_FUNCTION(states),           BENCH_FUNCTION(times),
      BENCH_FUNCTION(totals),          BENCH_FUNCTION(restartCounts),    BENCH_FUNCTION(requestKeyframe),
      BENCH_FUNCTION(removeViewer),    BENCH_FUNCTION(setSweepInterval), BENCH_FUNCTION(addSink),
      BENCH_FUNCTION(sinkPackets),     BENCH_FUNCTION(removeSinks),      BENCH_FUNCTION(closeGenerator),
      BENCH_FUNCTION(rawLimit),
#undef BENCH_FUNCTION
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, initialize)
