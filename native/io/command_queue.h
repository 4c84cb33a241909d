#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "../core/encoded_frame.h"
#include "clock.h"
#include "wakeup.h"

namespace streamkit {

/**
 * What a thread is to do with the core or the shard that it runs, in order. Anybody may add to it. What comes
 * with each frame or datagram is bounded.
 */
template <typename Target>
class CommandQueue {
 public:
  using Command = std::function<void(Target& target, int64_t nowUs)>;

  /** Frames that the thread has not taken yet; beyond either, frames are dropped up to the next keyframe. */
  static constexpr size_t kMaxFrames = 256;
  static constexpr size_t kMaxFrameBytes = 32 * 1024 * 1024;
  /** Datagrams that wait; beyond it they are dropped, as their protocols repeat them. */
  static constexpr size_t kMaxPackets = 4096;
  /** Commands that may wait for an urgent one. */
  static constexpr size_t kMaxIdle = 64;

  /** Wakes the thread, which is to poll its descriptor. */
  Wakeup& wakeup() { return wakeup_; }

  /** @param urgent the thread is woken; otherwise only if many wait */
  void push(Command command, bool urgent = true) {
    bool wakes = false;
    {
      const std::lock_guard lock(mutex_);
      commands_.push_back(std::move(command));
      wakes = urgent || commands_.size() >= kMaxIdle;
    }
    if (wakes) {
      wake();
    }
  }

  /** @returns false if it was dropped, because too many datagrams wait already */
  bool pushPacket(Command command) {
    {
      const std::lock_guard lock(mutex_);
      if (packets_ >= kMaxPackets) {
        return false;
      }
      packets_ += 1;
    }
    push([this, command = std::move(command)](Target& target, int64_t nowUs) {
      {
        const std::lock_guard lock(mutex_);
        packets_ -= 1;
      }
      command(target, nowUs);
    });
    return true;
  }

  /** @param gapBefore frames before it were lost already */
  void pushFrame(uint32_t producer, EncodedFrame frame, bool gapBefore, bool urgent = true) {
    const size_t bytes = frame.payloadBytes();
    bool full = false;
    {
      const std::lock_guard lock(mutex_);
      full = frames_ >= kMaxFrames || frameBytes_ + bytes > kMaxFrameBytes;
      if (full) {
        producersWithGap_.insert(producer);
      } else {
        gapBefore = producersWithGap_.erase(producer) > 0 || gapBefore;
        frames_ += 1;
        frameBytes_ += bytes;
      }
    }
    if (full) {
      // A few large frames of which none was urgent fill it as well.
      wake();
      return;
    }
    // A command can be copied, and with it the frame would be.
    auto shared = std::make_shared<EncodedFrame>(std::move(frame));
    push(
        [this, producer, shared, gapBefore, bytes](Target& target, int64_t nowUs) {
          {
            const std::lock_guard lock(mutex_);
            frames_ -= 1;
            frameBytes_ -= bytes;
          }
          target.sendFrame(producer, std::move(*shared), gapBefore, nowUs);
        },
        urgent);
  }

  void pushCloseProducer(uint32_t producer) {
    {
      const std::lock_guard lock(mutex_);
      producersWithGap_.erase(producer);
    }
    push([producer](Target& target, int64_t nowUs) { target.closeProducer(producer, nowUs); });
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wakeup_.notify();
  }

  /**
   * Does what waits; for the thread.
   * @returns false if it is to stop: what was pushed before that is done
   */
  bool run(Target& target) {
    std::vector<Command> commands;
    bool stopping = false;
    {
      const std::lock_guard lock(mutex_);
      commands.swap(commands_);
      woken_ = false;
      stopping = stopping_;
    }
    for (const Command& command : commands) {
      command(target, monotonicUs());
    }
    return !stopping;
  }

 private:
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      if (woken_) {
        return;
      }
      woken_ = true;
    }
    wakeup_.notify();
  }

  Wakeup wakeup_;
  std::mutex mutex_;
  std::vector<Command> commands_;
  /** The thread has been woken for what waits. */
  bool woken_ = false;
  bool stopping_ = false;
  size_t frames_ = 0;
  size_t frameBytes_ = 0;
  size_t packets_ = 0;
  /** Producers of which a frame was dropped since the last that was queued. */
  std::unordered_set<uint32_t> producersWithGap_;
};

}  // namespace streamkit
