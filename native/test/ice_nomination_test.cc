#include "stun_message_builder.h"
#include "test.h"
#include "virtual_network.h"

// RFC 8445 sections 7.3.1.5 and 8.1 on who nominates, RFC 7675 on checks for consent, which are answered
// without the ICE agent only where they can change nothing.

namespace streamkit::test {
namespace {

const SocketAddress kFirst = *SocketAddress::fromText("10.0.0.2", 6000);
const SocketAddress kSecond = *SocketAddress::fromText("10.0.0.3", 7000);

enum class Role { kControlling, kControlled };

/** A bench of which each check is made by hand: those of the viewer, and those of the server's agent. */
struct IceBench : Bench {
  /** In what the viewer sends. */
  Role viewerRole = Role::kControlling;
  std::string ours = "our-password";
  std::string theirs = "their-password";
  std::string ufrag = "ours";

  /** With the media of one frame under way, and no pair nominated. */
  IceBench() {
    core.createEndpoint(kEndpoint, ufrag, ours);
    core.setRemoteCredentials(kEndpoint, "theirs", theirs);
    createTransport();
    createVideo();
    consumeVideo();
    sendVideo(1, true);
  }

  void restartOurs() {
    ufrag = "second";
    ours = "our-second";
    core.setLocalCredentials(kEndpoint, ufrag, ours);
  }

  void restartTheirs() {
    theirs = "their-second";
    core.setRemoteCredentials(kEndpoint, "theirs2", theirs);
  }

  /** @returns whether the viewer's check has come to the agent; it was answered here otherwise */
  bool reachesAgent(const SocketAddress& from, bool useCandidate) {
    StunMessageBuilder request(StunClass::kRequest, {++transaction});
    request.username(ufrag + ":theirs");
    if (viewerRole == Role::kControlling) {
      request.iceControlling();
    } else {
      request.iceControlled();
    }
    if (useCandidate) {
      request.useCandidate();
    }
    const auto bytes = request.integrity(ours).fingerprint().bytes();
    const size_t before = events.packets.size();
    const size_t calls = network.calls().size();
    receiveFrom(from, bytes);
    const bool passed = events.packets.size() > before;
    EXPECT_EQ(network.calls().size(), passed ? calls : calls + 1);
    return passed;
  }

  bool nominate(const SocketAddress& from) { return reachesAgent(from, true); }
  bool askConsent(const SocketAddress& from) { return reachesAgent(from, false); }

  /** What the agent sends; it is answered by another call. */
  StunMessageBuilder agentCheck(Role role, bool useCandidate = false) {
    StunMessageBuilder request(StunClass::kRequest, {++transaction});
    request.username("theirs:" + ufrag);
    if (role == Role::kControlled) {
      request.iceControlled();
    } else {
      request.iceControlling();
    }
    if (useCandidate) {
      request.useCandidate();
    }
    return request.integrity(theirs).fingerprint();
  }

  void send(const SocketAddress& to, const StunMessageBuilder& check) {
    core.sendPacket(kEndpoint, 0, to, check.bytes(), nowUs);
  }

  void answer(const SocketAddress& from, const StunMessageBuilder& check, const std::string& password) {
    receiveFrom(from, authenticResponse(StunMessage::parse(check.bytes())->transactionId(), password));
  }

  /** Sent and answered. */
  void check(const SocketAddress& to, Role role, bool useCandidate = false) {
    const auto request = agentCheck(role, useCandidate);
    send(to, request);
    answer(to, request, theirs);
  }

  /** Where a frame that is sent now goes; nothing where it goes nowhere. */
  std::optional<SocketAddress> mediaGoesTo() {
    run(100'000);
    network.take();
    sendVideo(1, true);
    core.advance(nowUs, 100);
    network.setTime(nowUs += VirtualNetwork::kDelayUs);
    for (const auto& datagram : network.take()) {
      if (packetKindOf(datagram.bytes) == PacketKind::kRtp) {
        return datagram.to;
      }
    }
    return std::nullopt;
  }

  uint8_t transaction = 100;
};

}  // namespace

TEST(
    "where the viewer controls, media goes to the pair that it nominates, once a check of ours has "
    "succeeded") {
  IceBench bench;
  EXPECT(bench.nominate(kFirst));
  EXPECT(bench.mediaGoesTo() == std::nullopt);
  bench.check(kFirst, Role::kControlled);
  EXPECT(bench.mediaGoesTo() == kFirst);
  // RFC 8445 section 7.3.1.5, in the other order: the check has succeeded before.
  bench.check(kSecond, Role::kControlled);
  EXPECT(bench.mediaGoesTo() == kFirst);
  EXPECT(bench.nominate(kSecond));
  EXPECT(bench.mediaGoesTo() == kSecond);
  EXPECT(bench.nominate(kFirst));
  EXPECT(bench.mediaGoesTo() == kFirst);
}

TEST(
    "where the viewer controls, checks are answered here on the pair alone that it has nominated and we "
    "proved") {
  IceBench bench;
  bench.check(kFirst, Role::kControlled);
  EXPECT(bench.askConsent(kFirst));
  EXPECT(bench.nominate(kFirst));
  EXPECT(!bench.askConsent(kFirst));
  // It may say again what it wants, and the agent hears it.
  EXPECT(bench.nominate(kFirst));
  EXPECT(bench.askConsent(kSecond));
  // Another pair that is not proved yet changes nothing, and one that is changes all.
  EXPECT(bench.nominate(kSecond));
  EXPECT(!bench.askConsent(kFirst));
  EXPECT(bench.askConsent(kSecond));
  bench.check(kSecond, Role::kControlled);
  EXPECT(bench.mediaGoesTo() == kSecond);
  EXPECT(!bench.askConsent(kSecond));
  EXPECT(bench.askConsent(kFirst));
}

TEST(
    "where we control, checks are answered here on the pair alone that we have nominated and that answered") {
  IceBench bench;
  bench.viewerRole = Role::kControlled;
  bench.check(kFirst, Role::kControlling);
  EXPECT(bench.askConsent(kFirst));
  const auto nomination = bench.agentCheck(Role::kControlling, true);
  bench.send(kFirst, nomination);
  EXPECT(bench.askConsent(kFirst));
  bench.answer(kFirst, nomination, bench.theirs);
  EXPECT(!bench.askConsent(kFirst));
  EXPECT(bench.askConsent(kSecond));
  bench.check(kSecond, Role::kControlling, true);
  EXPECT(!bench.askConsent(kSecond));
  EXPECT(bench.askConsent(kFirst));
}

TEST("who takes itself for what we are is for the agent to judge") {
  for (const Role our : {Role::kControlling, Role::kControlled}) {
    IceBench bench;
    const Role other = our == Role::kControlled ? Role::kControlling : Role::kControlled;
    bench.viewerRole = other;
    bench.check(kFirst, our, our == Role::kControlling);
    EXPECT(bench.nominate(kFirst));
    EXPECT(!bench.askConsent(kFirst));
    bench.viewerRole = our;
    EXPECT(bench.askConsent(kFirst));
    bench.check(kSecond, our);
    EXPECT(bench.nominate(kSecond));
    EXPECT(bench.mediaGoesTo() == kFirst);
    bench.viewerRole = other;
    EXPECT(!bench.askConsent(kFirst));
  }
}

TEST("a nomination by which the agent became the controlled one counts") {
  IceBench bench;
  bench.check(kFirst, Role::kControlling);
  EXPECT(bench.nominate(kFirst));
  EXPECT(bench.mediaGoesTo() == std::nullopt);
  bench.check(kFirst, Role::kControlled);
  EXPECT(bench.mediaGoesTo() == kFirst);
  EXPECT(!bench.askConsent(kFirst));
}

TEST("of several pairs the one that was asked for last counts, whichever answers last") {
  for (const Role our : {Role::kControlling, Role::kControlled}) {
    IceBench bench;
    const bool nominates = our == Role::kControlling;
    bench.nominate(kFirst);
    bench.check(kFirst, our, nominates);
    const auto consent = bench.agentCheck(our, nominates);
    bench.send(kFirst, consent);
    bench.nominate(kSecond);
    const auto nomination = bench.agentCheck(our, nominates);
    bench.send(kSecond, nomination);
    // Sent again is not asked for again.
    bench.send(kFirst, consent);
    bench.answer(kSecond, nomination, bench.theirs);
    EXPECT(bench.mediaGoesTo() == kSecond);
    bench.answer(kFirst, consent, bench.theirs);
    EXPECT(bench.mediaGoesTo() == kSecond);
  }
}

TEST("an answer to a check of before an ICE restart settles nothing, and media stays where it is") {
  for (const Role our : {Role::kControlling, Role::kControlled}) {
    for (const bool sentAgain : {false, true}) {
      for (const bool theirsAreKnown : {false, true}) {
        IceBench bench;
        const bool nominates = our == Role::kControlling;
        bench.viewerRole = nominates ? Role::kControlled : Role::kControlling;
        bench.nominate(kFirst);
        bench.check(kFirst, our, nominates);
        EXPECT(!bench.askConsent(kFirst));
        bench.nominate(kSecond);
        const std::string before = bench.theirs;
        const auto consent = bench.agentCheck(our, nominates);
        const auto other = bench.agentCheck(our, nominates);
        bench.send(kFirst, consent);
        bench.send(kSecond, other);
        bench.restartOurs();
        if (theirsAreKnown) {
          bench.restartTheirs();
        }
        if (sentAgain) {
          bench.send(kFirst, consent);
          bench.send(kSecond, other);
        }
        bench.answer(kFirst, consent, before);
        bench.answer(kSecond, other, before);
        EXPECT(bench.askConsent(kFirst));
        // Nor does it prove a pair that is asked for only now.
        EXPECT(bench.nominate(kSecond));
        EXPECT(bench.askConsent(kSecond));
        EXPECT(bench.mediaGoesTo() == kFirst);
        if (!theirsAreKnown) {
          bench.restartTheirs();
        }
        EXPECT(bench.askConsent(kFirst));
        bench.check(kFirst, our);
        EXPECT(bench.askConsent(kFirst));
        bench.nominate(kFirst);
        bench.check(kFirst, our, nominates);
        EXPECT(!bench.askConsent(kFirst));
        EXPECT(bench.mediaGoesTo() == kFirst);
      }
    }
  }
}

TEST("after an ICE restart a pair is to be asked for and to be proved anew") {
  IceBench bench;
  bench.check(kFirst, Role::kControlled);
  bench.nominate(kFirst);
  bench.check(kSecond, Role::kControlled);
  bench.restartOurs();
  bench.restartTheirs();
  bench.check(kFirst, Role::kControlled);
  EXPECT(bench.askConsent(kFirst));
  EXPECT(bench.nominate(kSecond));
  EXPECT(bench.askConsent(kSecond));
  EXPECT(bench.mediaGoesTo() == kFirst);
  bench.check(kSecond, Role::kControlled);
  EXPECT(!bench.askConsent(kSecond));
  EXPECT(bench.mediaGoesTo() == kSecond);
}

TEST("a viewer that knows our new credentials may nominate before we know its own") {
  IceBench bench;
  bench.check(kFirst, Role::kControlled);
  bench.nominate(kFirst);
  bench.restartOurs();
  EXPECT(bench.nominate(kSecond));
  bench.restartTheirs();
  EXPECT(bench.mediaGoesTo() == kFirst);
  bench.check(kSecond, Role::kControlled);
  EXPECT(bench.mediaGoesTo() == kSecond);
}

TEST("what a viewer nominates under the credentials of before a restart counts no more") {
  IceBench bench;
  bench.check(kFirst, Role::kControlled);
  bench.nominate(kFirst);
  bench.core.setLocalCredentials(Bench::kEndpoint, "second", "our-second");
  bench.restartTheirs();
  EXPECT(bench.nominate(kSecond));
  bench.check(kSecond, Role::kControlled);
  EXPECT(bench.mediaGoesTo() == kFirst);
  EXPECT(bench.askConsent(kSecond));
}

}  // namespace streamkit::test
