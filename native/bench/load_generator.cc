#include "load_generator.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "clock.h"

namespace bench {

namespace {
/** Sockets visited under one lock: JavaScript waits no longer than they take. */
constexpr size_t kVisitsALock = 32;
/** Reads of one socket in one visit: more than its buffer holds. */
constexpr int kReadsAVisit = 64;
/** Otherwise each round trip of a handshake would take as long as a sweep. */
constexpr int64_t kConnectingIntervalUs = 1'000;
}  // namespace

LoadGenerator::LoadGenerator(const GeneratorOptions& options, int64_t sweepIntervalUs)
    : options_(options), batch_(options.gro), sweepIntervalUs_(sweepIntervalUs), thread_([this] { run(); }) {}

LoadGenerator::~LoadGenerator() {
  close();
}

void LoadGenerator::close() {
  ending_ = true;
  if (thread_.joinable())
    thread_.join();
}

size_t LoadGenerator::add() {
  auto viewer = std::make_unique<Viewer>(options_, context_);
  const Turn turn(*this);
  viewers_.push_back(std::move(viewer));
  connecting_.push_back(viewers_.size() - 1);
  return viewers_.size() - 1;
}

size_t LoadGenerator::addSink() {
  const Turn turn(*this);
  sinks_.push_back(std::make_unique<Sink>(options_));
  return sinks_.back()->socket.port();
}

void LoadGenerator::remove(size_t index) {
  const Turn turn(*this);
  if (index >= viewers_.size() || viewers_[index] == nullptr)
    return;
  viewers_[index]->leave();
  viewers_[index].reset();
}

void LoadGenerator::removeSinks() {
  const Turn turn(*this);
  sinks_.clear();
}

void LoadGenerator::run() {
  pthread_setname_np(pthread_self(), "bench-drain");
  int64_t lastUs = nowUs();
  int64_t nextUs = lastUs;
  while (!ending_) {
    const int64_t startUs = nowUs();
    sweepConnecting();
    if (startUs >= nextUs) {
      nextUs = startUs + sweepIntervalUs_;
      if (startUs - lastUs > longestSweepUs_)
        longestSweepUs_ = startUs - lastUs;
      lastUs = startUs;
      sweepViewers();
      sweepSinks();
    }
    cpuUs_ = threadCpuUs();
    const int64_t restUs = std::min(nextUs, nextConnectingUs_) - nowUs();
    if (restUs > 0)
      std::this_thread::sleep_for(std::chrono::microseconds(restUs));
  }
}

void LoadGenerator::sweepConnecting() {
  const int64_t timeUs = nowUs();
  if (timeUs < nextConnectingUs_)
    return;
  nextConnectingUs_ = timeUs + kConnectingIntervalUs;
  letOthersPass();
  const std::lock_guard lock(mutex_);
  const auto isSettled = [&](size_t index) {
    if (viewers_[index] == nullptr)
      return true;
    visit(*viewers_[index], timeUs);
    return viewers_[index]->state() != Viewer::State::connecting;
  };
  connecting_.erase(std::remove_if(connecting_.begin(), connecting_.end(), isSettled), connecting_.end());
  // The next one may wait for the sweep of all.
  if (connecting_.empty())
    nextConnectingUs_ = timeUs + sweepIntervalUs_;
}

void LoadGenerator::sweepViewers() {
  for (size_t first = 0;; first += kVisitsALock) {
    sweepConnecting();
    letOthersPass();
    const std::lock_guard lock(mutex_);
    if (first >= viewers_.size())
      return;
    const int64_t timeUs = nowUs();
    for (size_t i = first; i < viewers_.size() && i < first + kVisitsALock; i++) {
      if (viewers_[i] != nullptr)
        visit(*viewers_[i], timeUs);
    }
  }
}

void LoadGenerator::visit(Viewer& viewer, int64_t timeUs) {
  for (int read = 0; read < kReadsAVisit; read++) {
    const size_t count = batch_.receive(viewer.socket().descriptor());
    for (size_t arrival = 0; arrival < count; arrival++)
      viewer.receive(batch_[arrival]);
    if (count < batch_.capacity())
      break;
  }
  viewer.onTimer(timeUs);
}

void LoadGenerator::letOthersPass() const {
  while (waiting_ > 0)
    std::this_thread::yield();
}

void LoadGenerator::sweepSinks() {
  letOthersPass();
  const std::lock_guard lock(mutex_);
  for (auto& sink : sinks_) {
    for (int read = 0; read < kReadsAVisit; read++) {
      const size_t count = batch_.receive(sink->socket.descriptor());
      for (size_t i = 0; i < count; i++) {
        const Arrival& arrival = batch_[i];
        sink->packets += (arrival.size + arrival.segmentBytes - 1) / arrival.segmentBytes;
        sink->bytes += arrival.size;
      }
      if (count < batch_.capacity())
        break;
    }
  }
}

}  // namespace bench
