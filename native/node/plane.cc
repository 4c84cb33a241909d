#include "plane.h"

#include <uv.h>

#include <cerrno>

#include "event_values.h"

namespace streamkit {

Plane::Plane(napi_env env, const MediaCore::Options& options, bool gso, size_t sendThreads)
    : env_(env), options_(options), gso_(gso), sendThreads_(sendThreads), events_([this] { wake(); }) {}

Plane::~Plane() {
  close();
}

bool Plane::start(napi_env env, napi_value onEvents) {
  napi_value name = nullptr;
  napi_create_string_utf8(env, "stream-kit media plane", NAPI_AUTO_LENGTH, &name);
  // One entry: the queue wakes once for all events that are in it.
  if (napi_create_threadsafe_function(env, onEvents, nullptr, name, 1, 1, nullptr, nullptr, this,
                                      callJavaScript, &function_) != napi_ok) {
    napi_throw_error(env, nullptr, "The media plane could not be given its callback");
    return false;
  }
  // The plane does not keep the process alive; its sockets and its thread end with the environment.
  napi_unref_threadsafe_function(env, function_);
  thread_ = std::make_unique<IoThread>(options_, gso_, events_, sendThreads_);
  if (!thread_->running()) {
    const std::string code = uv_err_name(uv_translate_sys_error(thread_->startError()));
    thread_.reset();
    napi_release_threadsafe_function(function_, napi_tsfn_abort);
    function_ = nullptr;
    napi_throw_error(env, code.c_str(), ("The media plane could not start its thread: " + code).c_str());
    return false;
  }
  napi_add_env_cleanup_hook(env, onEnvironmentEnds, this);
  return true;
}

void Plane::close() {
  if (thread_ == nullptr) {
    return;
  }
  napi_remove_env_cleanup_hook(env_, onEnvironmentEnds, this);
  // The thread first: after it has ended nothing calls the function.
  thread_.reset();
  napi_release_threadsafe_function(function_, napi_tsfn_abort);
  function_ = nullptr;
  endpoints.clear();
  producers.clear();
  transports.clear();
  consumers.clear();
  mediaSockets.clear();
  relays.clear();
  bound_.clear();
  listening_.clear();
}

void Plane::onEnvironmentEnds(void* plane) {
  static_cast<Plane*>(plane)->close();
}

void Plane::wake() {
  // Full: a wake is on its way already.
  napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void Plane::callJavaScript(napi_env env, napi_value onEvents, void* context, void*) {
  // No environment: it is being torn down.
  if (env == nullptr) {
    return;
  }
  Plane* const plane = static_cast<Plane*>(context);
  const std::vector<Event> events = plane->events_.take();
  if (events.empty() || !plane->open()) {
    return;
  }
  for (const Event& event : events) {
    if (event.type == Event::Type::kSwitched) {
      plane->moveConsumer(event.id, event.producer);
    }
  }
  napi_value undefined = nullptr;
  napi_get_undefined(env, &undefined);
  napi_value list = eventList(env, events);
  napi_call_function(env, undefined, onEvents, 1, &list, nullptr);
}

void Plane::addStats(PlaneStats& sum) const {
  if (thread_ != nullptr) {
    thread_->addStats(sum);
  }
}

std::optional<Plane::Bound> Plane::bind(const SocketAddress& address, int& error) {
  const auto known = bound_.find(address);
  if (known != bound_.end()) {
    return known->second;
  }
  auto opened = UdpSocket::open(address);
  if (opened.socket == nullptr) {
    error = opened.error;
    return std::nullopt;
  }
  const SocketAddress local = opened.socket->local();
  const Bound bound{thread_->addSocket(std::move(opened.socket)), local.port()};
  if (bound.socket < 0) {
    error = EMFILE;
    return std::nullopt;
  }
  bound_[local] = bound;
  return bound;
}

std::optional<Plane::Bound> Plane::listen(const SocketAddress& address, int& error) {
  const auto known = listening_.find(address);
  if (known != listening_.end()) {
    return known->second;
  }
  const auto opened = thread_->listen(address);
  if (opened.socket < 0) {
    error = opened.error;
    return std::nullopt;
  }
  const Bound bound{opened.socket, opened.port};
  listening_[address] = bound;
  return bound;
}

RelaySockets::Opened Plane::openRelay(uint32_t endpoint, const SocketAddress& local,
                                      const SocketAddress& server) {
  return kept(endpoint, thread_->openRelay(endpoint, local, server));
}

RelaySockets::Opened Plane::dialRelay(uint32_t endpoint, const SocketAddress& server,
                                      std::unique_ptr<TlsClient> client) {
  return kept(endpoint, thread_->dialRelay(endpoint, server, std::move(client)));
}

RelaySockets::Opened Plane::kept(uint32_t endpoint, const RelaySockets::Opened& opened) {
  if (opened.socket >= 0) {
    relays[static_cast<uint32_t>(opened.socket)] = endpoint;
  }
  return opened;
}

void Plane::forgetConsumer(uint32_t id) {
  const auto found = consumers.find(id);
  if (found == consumers.end()) {
    return;
  }
  leaveTransport(id, found->second);
  consumers.erase(found);
}

void Plane::moveConsumer(uint32_t id, uint32_t producer) {
  const auto found = consumers.find(id);
  if (found == consumers.end()) {
    return;
  }
  if (!producers.contains(producer)) {
    forgetConsumer(id);
    return;
  }
  found->second.producer = producer;
  if (found->second.target == producer) {
    found->second.target = 0;
  }
}

void Plane::leaveTransport(uint32_t id, const OpenConsumer& consumer) {
  const auto transport = transports.find(consumer.transport);
  if (transport != transports.end()) {
    transport->second.consumers.erase(id);
    transport->second.ssrcs.erase(consumer.ssrc);
    transport->second.ssrcs.erase(consumer.rtxSsrc);
    transport->second.ssrcs.erase(consumer.fecSsrc);
  }
}

void Plane::forgetProducer(uint32_t id) {
  producers.erase(id);
  for (auto& [_, consumer] : consumers) {
    if (consumer.target == id) {
      consumer.target = 0;
    }
  }
  std::erase_if(consumers, [&](const auto& entry) {
    const OpenConsumer& consumer = entry.second;
    const bool isClosed = consumer.producer == id && consumer.target == 0;
    if (isClosed) {
      leaveTransport(entry.first, consumer);
    }
    return isClosed;
  });
}

void Plane::forgetTransport(uint32_t id) {
  const auto found = transports.find(id);
  if (found == transports.end()) {
    return;
  }
  for (const uint32_t consumer : found->second.consumers) {
    consumers.erase(consumer);
  }
  const auto endpoint = endpoints.find(found->second.endpoint);
  if (endpoint != endpoints.end() && endpoint->second == id) {
    endpoint->second = 0;
  }
  transports.erase(found);
}

void Plane::forgetEndpoint(uint32_t id) {
  std::erase_if(relays, [&](const auto& entry) {
    if (entry.second == id) {
      thread_->closeRelay(static_cast<int>(entry.first));
    }
    return entry.second == id;
  });
  const auto found = endpoints.find(id);
  if (found == endpoints.end()) {
    return;
  }
  forgetTransport(found->second);
  endpoints.erase(found);
}

}  // namespace streamkit
