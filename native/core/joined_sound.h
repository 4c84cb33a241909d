#pragma once

#include <array>

#include "frame_history.h"

namespace streamkit {

/**
 * Frames of Opus that wait together as one RTP payload (RFC 6716 section 3.2.5, RFC 7587 section 4.2), for
 * one of them alone fits behind a burst of pictures. Joined once for all viewers who have the same to come.
 */
class JoinedSound {
 public:
  static constexpr size_t kMaxFrames = 3;
  /** Below the payloads of an ordinary picture: a burst ends with its shortest packet. */
  static constexpr size_t kMaxBytes = 1000;

  /**
   * Joins the frames from `number` on, of which the first must be there: as many as are there, are alike and
   * come one right after the other.
   * @param maxMs what they last at most, together; 0: what Opus permits, 120 ms
   * @returns how many; 1 if none can be joined to the first
   */
  size_t join(const FrameHistory& history, int64_t number, unsigned maxMs);
  /** What was joined last, if it was more than one frame. */
  Bytes payload() const { return Bytes(payload_).first(bytes_); }

 private:
  size_t countFrom(const FrameHistory& history, int64_t number, unsigned maxMs) const;
  void write(const FrameHistory& history, int64_t number, size_t count);

  int64_t number_ = -1;
  int64_t nextFrame_ = -1;
  unsigned maxMs_ = 0;
  size_t count_ = 0;
  size_t bytes_ = 0;
  std::array<uint8_t, kMaxBytes> payload_;
};

}  // namespace streamkit
