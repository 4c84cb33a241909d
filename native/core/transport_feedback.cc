#include "transport_feedback.h"

#include <algorithm>

#include "sent_packet_log.h"

namespace streamkit {
namespace {

constexpr size_t kHeaderBytes = 8;
constexpr int64_t kReferenceUnitUs = 64'000;
constexpr int64_t kDeltaUnitUs = 250;
constexpr int64_t kReferenceModulusUs = (int64_t{1} << 24) * kReferenceUnitUs;

enum Symbol : uint8_t { kNotReceived = 0, kSmallDelta = 1, kLargeDelta = 2, kReserved = 3 };

/** Sections 3.1.2 to 3.1.4: chunks of 16 bits, of which the last may say more than there are packets. */
bool readSymbols(Bytes body, size_t& position, size_t count, std::vector<PacketFeedback>& out,
                 std::vector<uint8_t>& symbols) {
  const uint16_t base = readU16(&body[0]);
  out.clear();
  symbols.clear();
  const auto add = [&](uint8_t symbol) {
    if (symbols.size() < count) {
      PacketFeedback packet;
      packet.sequenceNumber = static_cast<uint16_t>(base + symbols.size());
      packet.received = symbol != kNotReceived;
      out.push_back(packet);
      symbols.push_back(symbol);
    }
  };
  while (symbols.size() < count) {
    if (body.size() - position < 2) {
      return false;
    }
    const uint16_t chunk = readU16(&body[position]);
    position += 2;
    if ((chunk & 0x8000) == 0) {
      const size_t run = std::min<size_t>(chunk & 0x1fff, count - symbols.size());
      // An empty run would let a short packet spin here for ever.
      if (run == 0) {
        return false;
      }
      for (size_t i = 0; i < run; i += 1) {
        add(chunk >> 13 & 3);
      }
    } else if ((chunk & 0x4000) == 0) {
      for (int bit = 13; bit >= 0; bit -= 1) {
        add((chunk >> bit & 1) != 0 ? kSmallDelta : kNotReceived);
      }
    } else {
      for (int shift = 12; shift >= 0; shift -= 2) {
        add(chunk >> shift & 3);
      }
    }
  }
  return true;
}

}  // namespace

int64_t referenceTimeUs(Bytes body) {
  return readU24(&body[4]) * kReferenceUnitUs;
}

bool parseTransportFeedback(Bytes body, std::vector<PacketFeedback>& out) {
  if (body.size() < kHeaderBytes) {
    return false;
  }
  // Kept between calls, for a viewer sends some twenty of these a second.
  static thread_local std::vector<uint8_t> symbols;
  size_t position = kHeaderBytes;
  const size_t count = readU16(&body[2]);
  // A chunk of two bytes can claim 8191 packets; a viewer that answers some times a second has a few hundred.
  if (count > SentPacketLog::kPackets || !readSymbols(body, position, count, out, symbols)) {
    return false;
  }
  int64_t arrivalUs = referenceTimeUs(body);
  for (size_t i = 0; i < symbols.size(); i += 1) {
    if (symbols[i] == kNotReceived) {
      continue;
    }
    if (symbols[i] == kReserved) {
      return false;
    }
    const size_t deltaBytes = symbols[i] == kSmallDelta ? 1 : 2;
    if (body.size() - position < deltaBytes) {
      return false;
    }
    // Section 3.1.5: one byte unsigned, or two bytes signed.
    arrivalUs +=
        kDeltaUnitUs * (deltaBytes == 1 ? body[position] : static_cast<int16_t>(readU16(&body[position])));
    position += deltaBytes;
    out[i].arrivalUs = arrivalUs;
  }
  return true;
}

int64_t ReferenceTime::unwrap(int64_t baseUs) {
  if (!started_) {
    started_ = true;
    last_ = baseUs;
    return 0;
  }
  int64_t distance = (baseUs - last_) % kReferenceModulusUs;
  if (distance < -kReferenceModulusUs / 2) {
    distance += kReferenceModulusUs;
  } else if (distance >= kReferenceModulusUs / 2) {
    distance -= kReferenceModulusUs;
  }
  last_ += distance;
  return last_ - baseUs;
}

}  // namespace streamkit
