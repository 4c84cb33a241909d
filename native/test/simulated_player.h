#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/rtp_header.h"

namespace streamkit::test {

/**
 * What a browser does with the pictures of a link that loses packets: it asks for what is missing, restores
 * what it can from repair packets, decodes in order, and shows each picture when its time has come or, if it
 * was late, with the next refresh of the screen. Of two that are ready for the same refresh it shows the
 * later one.
 */
class SimulatedPlayer {
 public:
  static constexpr uint32_t kVideoSsrc = 0x1000;
  static constexpr uint32_t kRtxSsrc = 0x1001;
  static constexpr uint32_t kFecSsrc = 0x1002;

  /** How old a picture is that comes without a loss, and the time between asking for a packet twice. */
  SimulatedPlayer(int64_t delayUs, int64_t roundTripUs) : delayUs_(delayUs), roundTripUs_(roundTripUs) {}

  /** @param packet decrypted @param captureUs of the pictures by the clock of `nowUs` */
  void onPacket(Bytes packet, int64_t captureUs, int64_t nowUs);
  /** What is newly missing. To be called after each packet. */
  std::vector<uint16_t> takeNacks() { return std::exchange(nacks_, {}); }
  /** What is to be asked for once more. To be called every 20 ms, as Chromium does it. */
  std::vector<uint16_t> takeRepeatedNacks(int64_t nowUs);

  struct Seen {
    /** Of the pictures: 0 to 1. */
    double shown = 0;
    double onTime = 0;
    int64_t longestGapUs = 0;
    int64_t ageP50Us = 0;
    int64_t ageP95Us = 0;
  };
  /** Of the pictures since the last call. */
  Seen take();
  /** A packet as it has it; empty if it does not. */
  std::vector<uint8_t> packetOf(uint16_t sequenceNumber) const;
  static std::vector<uint8_t> withoutTransportSequence(Bytes packet);
  /** Packets that repair packets have restored. */
  size_t restored = 0;

 private:
  struct Packet {
    /** With zeros for the transport-wide sequence number. */
    std::vector<uint8_t> bytes;
    int64_t captureUs;
  };
  struct Picture {
    int64_t captureUs;
    int64_t shownUs;
    bool onTime;
  };

  void insert(int64_t sequence, std::vector<uint8_t> bytes, int64_t captureUs, bool restored, int64_t nowUs);
  void restore(Bytes payload, int64_t nowUs);
  void decode(int64_t nowUs);
  int64_t unwrap(uint16_t sequenceNumber) const;

  int64_t delayUs_;
  int64_t roundTripUs_;
  std::map<int64_t, Packet> packets_;
  /** When each was last asked for. */
  std::map<int64_t, int64_t> missing_;
  std::vector<uint16_t> nacks_;
  std::vector<std::vector<uint8_t>> repairs_;
  int64_t newest_ = -1;
  int64_t next_ = -1;
  std::vector<Picture> pictures_;
};

}  // namespace streamkit::test
