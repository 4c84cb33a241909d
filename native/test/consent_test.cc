#include "stun_message_builder.h"
#include "test.h"
#include "virtual_network.h"

// RFC 7675: who does not say every now and then that he wants to be sent to, is not.

namespace streamkit::test {
namespace {

constexpr uint32_t kConsent = 77;
constexpr int64_t kSecondUs = 1'000'000;
constexpr const char* kTheirs = "their-password";

/** A viewer that is connected, and what it is asked. */
struct ConsentBench : Bench {
  ConsentBench() {
    connect();
    run(kSecondUs);
    receivedOther.clear();
    events.packets.clear();
    keep(kConsent);
  }

  void keep(uint32_t consent) {
    // As the agent builds it: no id yet, and neither integrity nor fingerprint.
    StunMessageBuilder request(StunClass::kRequest, {});
    request.username("theirs:ours").iceControlling();
    core.keepConsent(kEndpoint, consent, {0, viewer}, request.bytes(), nowUs);
  }

  /** What it was asked since the last call. */
  std::vector<std::vector<uint8_t>> asked() {
    std::vector<std::vector<uint8_t>> taken;
    taken.swap(receivedOther);
    return taken;
  }

  /** Runs for that long, in which the viewer answers each request. */
  size_t answerFor(int64_t us, const char* password, StunClass answer = StunClass::kSuccess) {
    size_t requests = 0;
    for (const int64_t endUs = nowUs + us; nowUs < endUs;) {
      run(100'000);
      for (const auto& request : asked()) {
        StunMessageBuilder response(answer, StunMessage::parse(request)->transactionId());
        receive(response.integrity(password).fingerprint().bytes());
        requests += 1;
      }
    }
    return requests;
  }
};

}  // namespace

TEST("a viewer is asked for its consent every four to six seconds, each time by another signed request") {
  ConsentBench bench;
  std::vector<StunTransactionId> ids;
  int64_t lastUs = bench.nowUs;
  while (ids.size() < 5) {
    bench.run(10'000);
    for (const auto& bytes : bench.asked()) {
      const auto request = StunMessage::parse(bytes);
      EXPECT(request.has_value() && request->messageClass() == StunClass::kRequest && request->isBinding());
      EXPECT(request->username() == "theirs:ours");
      EXPECT(request->iceControlling() && !request->useCandidate());
      EXPECT(request->integrityMatches(kTheirs));
      const int64_t waitedUs = bench.nowUs - lastUs;
      EXPECT(waitedUs > 4 * kSecondUs - 100'000 && waitedUs < 6 * kSecondUs + 100'000);
      lastUs = bench.nowUs;
      for (const auto& other : ids) {
        EXPECT(other != request->transactionId());
      }
      ids.push_back(request->transactionId());
    }
  }
}

TEST("a viewer that answers is asked on and on, and nobody is told") {
  ConsentBench bench;
  EXPECT(bench.answerFor(120 * kSecondUs, kTheirs) >= 20);
  EXPECT(bench.events.consentsLost.empty());
  EXPECT(bench.events.packets.empty());
  EXPECT_EQ(bench.stats.droppedUnknownSource, 0);
}

TEST("a viewer that has not answered for thirty seconds is told of, once, and not asked any more") {
  ConsentBench bench;
  bench.answerFor(20 * kSecondUs, kTheirs);
  // The last answer was up to six seconds ago, and the request before may be still to be answered.
  bench.run(23 * kSecondUs);
  EXPECT(bench.events.consentsLost.empty());
  EXPECT(bench.asked().size() >= 3);
  bench.run(10 * kSecondUs);
  EXPECT(bench.events.consentsLost == std::vector<uint32_t>{kConsent});
  bench.asked();
  bench.run(60 * kSecondUs);
  EXPECT(bench.asked().empty());
  EXPECT_EQ(bench.events.consentsLost.size(), 1);
}

TEST("neither a refusal nor an answer that somebody else has signed is a consent") {
  ConsentBench refused;
  refused.answerFor(31 * kSecondUs, kTheirs, StunClass::kError);
  EXPECT_EQ(refused.events.consentsLost.size(), 1);
  EXPECT(refused.events.packets.empty());
  ConsentBench forged;
  forged.answerFor(31 * kSecondUs, "another-password");
  EXPECT_EQ(forged.events.consentsLost.size(), 1);
  EXPECT(forged.stats.droppedStunIntegrity >= 5);
}

TEST("consent for one pair is none for the pair that has taken its place") {
  ConsentBench bench;
  bench.answerFor(8 * kSecondUs, kTheirs);
  std::vector<std::vector<uint8_t>> open;
  while (open.empty()) {
    bench.run(10'000);
    open = bench.asked();
  }
  const SocketAddress before = bench.viewer;
  bench.viewer = *SocketAddress::fromText("10.0.0.9", 9000);
  bench.keep(kConsent + 1);
  // The way back from the new address is cut; a late answer still comes from the old one.
  StunMessageBuilder late(StunClass::kSuccess, StunMessage::parse(open[0])->transactionId());
  bench.run(5 * kSecondUs);
  bench.receiveFrom(before, late.integrity(kTheirs).fingerprint().bytes());
  bench.run(26 * kSecondUs);
  EXPECT(bench.events.consentsLost == std::vector<uint32_t>{kConsent + 1});
}

TEST("a consent that is ended, or whose endpoint is closed, is neither asked for nor lost") {
  ConsentBench ended;
  ended.core.endConsent(Bench::kEndpoint);
  ConsentBench closed;
  closed.core.closeEndpoint(Bench::kEndpoint);
  for (ConsentBench* bench : {&ended, &closed}) {
    bench->run(kSecondUs);
    bench->asked();
    bench->run(60 * kSecondUs);
    EXPECT(bench->asked().empty());
    EXPECT(bench->events.consentsLost.empty());
  }
  ended.core.keepConsent(99, 1, {0, ended.viewer}, {}, ended.nowUs);
  ended.run(60 * kSecondUs);
  EXPECT(ended.asked().empty());
}

TEST("a viewer that has not answered for too long is sent nothing more until a pair is selected again") {
  ConsentBench bench;
  bench.createVideo();
  bench.consumeVideo();
  bench.sendVideo(1, true);
  bench.run(31 * kSecondUs);
  EXPECT_EQ(bench.events.consentsLost.size(), 1);
  bench.video().clear();
  bench.sendVideo(1, true);
  bench.run(kSecondUs);
  EXPECT_EQ(bench.video().size(), 0);
  // The same pair as before.
  bench.select(bench.viewer);
  bench.sendVideo(1, true);
  bench.run(kSecondUs);
  EXPECT_EQ(bench.video().size(), 1);
}

}  // namespace streamkit::test
