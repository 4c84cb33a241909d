#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "frame_history.h"
#include "joined_sound.h"
#include "keyframe_request_policy.h"

namespace streamkit {

class Consumer;

struct ProducerParameters {
  bool video = true;
  uint32_t clockRateHz = 90'000;
  int64_t keyframeIntervalMinUs = 300'000;
  int64_t historyUs = 1'000'000;
  bool gopReplay = false;
  /** What the source is encoded at, or the least that its consumers are paced by. */
  double targetBitrateBps = 8'000'000;
};

/**
 * One encoded source as one shard has it: the history that its consumers share, and the keyframe requests of
 * all of them.
 */
class Producer {
 public:
  /** Told when the source is to make a keyframe; already coalesced over all viewers. */
  class Listener {
   public:
    virtual void onKeyframeWanted(uint32_t producer) = 0;
    /** A request waits: `retryKeyframeRequest` is to be called then. */
    virtual void onKeyframeRequestDue(uint32_t producer, int64_t dueUs) = 0;

   protected:
    ~Listener() = default;
  };

  /** @param keyframes is shared by the shards */
  Producer(uint32_t id, const ProducerParameters& parameters,
           std::shared_ptr<KeyframeRequestPolicy> keyframes, Listener& listener)
      : id_(id),
        parameters_(parameters),
        listener_(listener),
        history_(parameters.historyUs, parameters.gopReplay && parameters.video),
        keyframes_(std::move(keyframes)) {}

  uint32_t id() const { return id_; }
  bool video() const { return parameters_.video; }
  bool gopReplay() const { return parameters_.video && parameters_.gopReplay; }
  uint32_t clockRateHz() const { return parameters_.clockRateHz; }
  int64_t historyUs() const { return parameters_.historyUs; }
  double targetBitrateBps() const { return parameters_.targetBitrateBps; }
  void setTargetBitrate(double bitrateBps) { parameters_.targetBitrateBps = bitrateBps; }
  FrameHistory& history() { return history_; }
  JoinedSound& joinedSound() { return joinedSound_; }
  const std::vector<Consumer*>& consumers() const { return consumers_; }

  const EncodedFrame& push(EncodedFrame frame, int64_t nowUs) {
    if (frame.keyframe) {
      keyframes_->keyframePassed(frame.ordinal);
      // From a keyframe that lets some back in, the others ask for the next themselves.
      leftOut_ = leftOut_ && congested(nowUs);
      readmissions_ = std::max(kMinReadmissions, consumers_.size() / kReadmittedShare);
    }
    const EncodedFrame& stored = history_.push(std::move(frame), nowUs);
    boundGroup(nowUs);
    return stored;
  }

  void requestKeyframe(int64_t nowUs) {
    if (!parameters_.video) {
      return;
    }
    const bool waited = keyframes_->dueUs().has_value();
    if (keyframes_->request(nowUs)) {
      listener_.onKeyframeWanted(id_);
    } else if (!waited) {
      // Another shard may have sent a keyframe since.
      listener_.onKeyframeRequestDue(id_, keyframes_->dueUs().value_or(nowUs));
    }
  }

  /** There was no time to send a frame to one of the consumers. */
  void congestion(int64_t nowUs) {
    keyframes_->congestion(nowUs);
    if (!leftOut_) {
      leftOut_ = true;
      listener_.onKeyframeRequestDue(id_, keyframes_->quietAtUs());
    }
  }
  bool congested(int64_t nowUs) const { return keyframes_->congested(nowUs); }
  /** Whether one of those that were left out for lack of time may begin again with this keyframe. */
  bool readmits(int64_t nowUs) {
    if (congested(nowUs) || readmissions_ == 0) {
      return false;
    }
    readmissions_ -= 1;
    return true;
  }

  void retryKeyframeRequest(int64_t nowUs) {
    const bool isQuiet = leftOut_ && !congested(nowUs);
    if ((isQuiet || keyframes_->dueUs().has_value()) && keyframes_->request(nowUs)) {
      listener_.onKeyframeWanted(id_);
    }
    // A page that stands still sends no frame with which those left out could ask for themselves.
    if (const auto dueUs = keyframes_->dueUs(); dueUs.has_value()) {
      listener_.onKeyframeRequestDue(id_, *dueUs);
    } else if (leftOut_ && !isQuiet) {
      listener_.onKeyframeRequestDue(id_, keyframes_->quietAtUs());
    }
  }

  void add(Consumer* consumer) { consumers_.push_back(consumer); }
  void remove(Consumer* consumer) { std::erase(consumers_, consumer); }

  /** Those that come over with its next keyframe. */
  const std::vector<Consumer*>& arrivals() const { return arrivals_; }
  void expect(Consumer* consumer) { arrivals_.push_back(consumer); }
  void expectNoMore(Consumer* consumer) { std::erase(arrivals_, consumer); }

 private:
  /** Frames since the last keyframe after which a replay is too long to be worth it, and a new keyframe is
   * wanted. */
  static constexpr int64_t kMaxGroupFrames = 90;
  /** The same in seconds of the target bitrate. A consumer replays up to one and a half. */
  static constexpr double kMaxGroupSeconds = 1.2;
  /** With each keyframe a part of those left out comes back, so that it shows whether there is time for more.
   */
  static constexpr size_t kMinReadmissions = 8;
  static constexpr size_t kReadmittedShare = 4;

  /** A replay is of use only while the frames since the last keyframe are few. A still page sends none, and
   * so asks for none. */
  void boundGroup(int64_t nowUs) {
    const EncodedFrame* const keyframe = history_.lastKeyframe();
    if (!gopReplay() || consumers_.empty() || keyframe == nullptr) {
      return;
    }
    const double bytes = static_cast<double>(history_.bytesSince(*keyframe));
    if (history_.nextFrame() - keyframe->number >= kMaxGroupFrames ||
        bytes >= parameters_.targetBitrateBps / 8 * kMaxGroupSeconds) {
      requestKeyframe(nowUs);
    }
  }

  uint32_t id_;
  ProducerParameters parameters_;
  Listener& listener_;
  FrameHistory history_;
  JoinedSound joinedSound_;
  std::shared_ptr<KeyframeRequestPolicy> keyframes_;
  std::vector<Consumer*> consumers_;
  std::vector<Consumer*> arrivals_;
  size_t readmissions_ = 0;
  /** Consumers were left out since the last keyframe at which some could come back. */
  bool leftOut_ = false;
};

}  // namespace streamkit
