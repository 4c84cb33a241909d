#include "dtls_thread.h"

#include <poll.h>

#include <cerrno>

#include "clock.h"
#include "send_sockets.h"

namespace streamkit {
namespace {

std::vector<uint8_t> copyOf(Bytes bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace

DtlsThread::DtlsThread(CommandQueue<MediaCore>& core, MediaCoreListener& listener)
    : core_(core), listener_(listener) {
  startError_ = queue_.wakeup().valid() ? thread_.start(this) : EMFILE;
}

void DtlsThread::setContext(std::shared_ptr<DtlsContext> context) {
  queue_.push([context](DtlsRegistry& registry, int64_t) { registry.setContext(context); });
}

void DtlsThread::start(uint32_t id, DtlsRole role, DtlsFingerprints fingerprints, int64_t) {
  queue_.push([=](DtlsRegistry& registry, int64_t nowUs) { registry.start(id, role, fingerprints, nowUs); });
}

bool DtlsThread::receive(uint32_t id, Bytes datagram, int64_t) {
  auto& queued = queued_[id];
  if (queued == nullptr) {
    queued = std::make_shared<std::atomic<uint32_t>>(0);
  }
  if (*queued >= kMaxQueuedOfOne) {
    return false;
  }
  *queued += 1;
  const bool isPushed =
      queue_.pushPacket([this, id, queued, copy = copyOf(datagram)](DtlsRegistry& registry, int64_t nowUs) {
        *queued -= 1;
        if (!registry.receive(id, copy, nowUs)) {
          stats_.droppedDtls += 1;
        }
      });
  if (!isPushed) {
    *queued -= 1;
  }
  return isPushed;
}

bool DtlsThread::send(uint32_t id, Bytes data) {
  return queue_.pushPacket([this, id, copy = copyOf(data)](DtlsRegistry& registry, int64_t) {
    if (!registry.send(id, copy)) {
      stats_.droppedDtls += 1;
    }
  });
}

void DtlsThread::close(uint32_t id) {
  queued_.erase(id);
  queue_.push([id](DtlsRegistry& registry, int64_t) { registry.close(id); });
}

void DtlsThread::stop() {
  if (thread_.running()) {
    queue_.stop();
    thread_.join();
  }
}

void DtlsThread::run() {
  std::optional<int64_t> dueUs;
  std::vector<pollfd> polled;
  for (bool goesOn = true; goesOn;) {
    polled.assign(1, {queue_.wakeup().fd(), POLLIN, 0});
    if (pollUntil(polled, dueUs, monotonicUs()) > 0) {
      queue_.wakeup().drain();
    }
    goesOn = queue_.run(registry_);
    const int64_t nowUs = monotonicUs();
    dueUs = registry_.advance(nowUs);
    if (publishInterval_.isOver(nowUs, !goesOn)) {
      stats_.cpuUs = static_cast<uint64_t>(threadCpuUs());
    }
  }
}

void DtlsThread::onDtlsDatagram(uint32_t id, Bytes datagram) {
  // One that is lost is sent again, by its protocol or by SCTP.
  if (!core_.pushPacket(
          [id, copy = copyOf(datagram)](MediaCore& core, int64_t) { core.sendDtlsDatagram(id, copy); })) {
    stats_.droppedDtls += 1;
  }
}

void DtlsThread::onDtlsConnected(uint32_t id, SrtpSession srtp) {
  // A command can be copied, keys are not.
  auto keys = std::make_shared<SrtpSession>(std::move(srtp));
  core_.push([id, keys](MediaCore& core, int64_t) { core.setDtlsKeys(id, std::move(*keys)); });
  listener_.onDtlsConnected(id);
}

void DtlsThread::onDtlsEnded(uint32_t id, DtlsFault fault) {
  core_.push([id](MediaCore& core, int64_t) { core.setDtlsKeys(id, std::nullopt); });
  listener_.onDtlsEnded(id, fault);
}

}  // namespace streamkit
