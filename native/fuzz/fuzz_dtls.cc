#include <deque>

#include "core/dtls_registry.h"
#include "test/dtls_certificate.h"

using namespace streamkit;

namespace {

const test::Certificate& certificate() {
  static const test::Certificate made = test::makeCertificate();
  return made;
}

struct End final : DtlsEndpoint::Listener {
  End() {
    static const auto context = test::contextOf(certificate());
    registry.setContext(context);
  }
  void onDtlsDatagram(uint32_t, Bytes datagram) override {
    if (sent.size() < 64) {
      sent.emplace_back(datagram.begin(), datagram.end());
    }
  }
  void onDtlsConnected(uint32_t, SrtpSession) override {}
  void onDtlsData(uint32_t, Bytes data) override {
    if (data.empty() || data.size() > DtlsEndpoint::kMaxDataBytes) {
      __builtin_trap();
    }
  }
  void onDtlsEnded(uint32_t, DtlsFault) override {
    if (hasEnded) {
      __builtin_trap();
    }
    hasEnded = true;
  }

  std::deque<std::vector<uint8_t>> sent;
  bool hasEnded = false;
  DtlsRegistry registry{*this};
};

}  // namespace

/**
 * A handshake between two of our ends whose datagrams the input disturbs: each byte says what becomes of the
 * next one. The rest of the input is a datagram of its own, to both.
 */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)DtlsFingerprints::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  const auto fingerprints = DtlsFingerprints::parse(certificate().fingerprint);
  int64_t nowUs = 1'000'000;
  End server;
  End client;
  server.registry.start(1, DtlsRole::kServer, *fingerprints, nowUs);
  client.registry.start(1, DtlsRole::kClient, *fingerprints, nowUs);
  size_t at = 0;
  for (int turn = 0; turn < 40; turn += 1) {
    for (auto [from, to] : {std::pair{&client, &server}, std::pair{&server, &client}}) {
      for (; !from->sent.empty(); from->sent.pop_front()) {
        std::vector<uint8_t> datagram = from->sent.front();
        const uint8_t what = at < size ? data[at++] : 0;
        // One in four is disturbed where the input has bytes for it.
        if ((what & 3) == 1 && at + 2 < size) {
          datagram[(size_t{data[at]} << 2 | what >> 6) % datagram.size()] ^= data[at + 1];
          at += 2;
        } else if ((what & 3) == 2) {
          datagram.resize(1 + what % datagram.size());
        } else if ((what & 3) == 3 && (what & 4) != 0) {
          continue;
        }
        to->registry.receive(1, datagram, nowUs);
      }
    }
    if (turn == 2 && at < size) {
      const Bytes rest(data + at, size - at);
      server.registry.receive(1, rest, nowUs);
      client.registry.receive(1, rest, nowUs);
    }
    server.registry.send(1, Bytes(data, size));
    nowUs += 150'000;
    server.registry.advance(nowUs);
    client.registry.advance(nowUs);
  }
  return 0;
}
