#pragma once

namespace streamkit {

/**
 * What a receiver report says at least of a stream that loses `share` of its packets, 0 to 1: RFC 3550
 * section 6.4.1 has the share in 256ths, rounded down.
 */
constexpr double reportedLoss(double share) {
  return static_cast<int>(share * 256) / 256.0;
}

}  // namespace streamkit
