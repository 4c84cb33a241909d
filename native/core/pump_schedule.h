#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

namespace streamkit {

/**
 * Which viewers have something to send, now or at a time. Each is in it once at most: the earlier time
 * counts. What it needs to know of a viewer lies in the viewer itself, so that nothing is looked up.
 */
class PumpSchedule {
 public:
  /** A viewer's place. To be forgotten before it ends. */
  class Entry {
   public:
    /** For how long it has been waiting for its turn. */
    int64_t lagUs(int64_t nowUs) const { return ready_ ? nowUs - readySinceUs_ : 0; }

   protected:
    ~Entry() = default;

   private:
    friend class PumpSchedule;
    bool ready_ = false;
    int64_t dueUs_ = kNone;
    int64_t readySinceUs_ = 0;
  };

  void now(Entry& entry, int64_t nowUs) {
    entry.dueUs_ = kNone;
    if (!entry.ready_) {
      entry.ready_ = true;
      entry.readySinceUs_ = nowUs;
      ready_.push_back(&entry);
    }
  }

  void at(Entry& entry, int64_t dueUs) {
    if (!entry.ready_ && (entry.dueUs_ == kNone || dueUs < entry.dueUs_)) {
      entry.dueUs_ = dueUs;
      timers_.push_back({dueUs, &entry});
      std::push_heap(timers_.begin(), timers_.end(), std::greater<>());
    }
  }

  /** Looks through all: for what happens once in a viewer's life. */
  void forget(Entry& entry) {
    std::erase(ready_, &entry);
    std::erase_if(timers_, [&](const Timer& timer) { return timer.entry == &entry; });
    std::make_heap(timers_.begin(), timers_.end(), std::greater<>());
  }

  /** Moves those whose time has come to the ready ones. */
  void advance(int64_t nowUs) {
    while (!timers_.empty() && timers_.front().dueUs <= nowUs) {
      const Timer timer = popTimer();
      if (!isVoid(timer)) {
        now(*timer.entry, nowUs);
      }
    }
  }

  /** Null where none is ready. */
  Entry* take() {
    if (ready_.empty()) {
      return nullptr;
    }
    Entry* const entry = ready_.front();
    ready_.pop_front();
    entry->ready_ = false;
    return entry;
  }

  /** The one that `take` gives after so many others; null where there is none. */
  const Entry* peek(size_t ahead) const { return ahead < ready_.size() ? ready_[ahead] : nullptr; }

  bool anyReady() const { return !ready_.empty(); }
  std::optional<int64_t> nextDueUs() {
    while (!timers_.empty() && isVoid(timers_.front())) {
      popTimer();
    }
    return timers_.empty() ? std::nullopt : std::optional(timers_.front().dueUs);
  }

 private:
  static constexpr int64_t kNone = INT64_MIN;

  struct Timer {
    int64_t dueUs;
    Entry* entry;
    bool operator>(const Timer& other) const { return dueUs > other.dueUs; }
  };

  /** The viewer was served earlier. */
  static bool isVoid(const Timer& timer) { return timer.entry->dueUs_ != timer.dueUs; }

  Timer popTimer() {
    std::pop_heap(timers_.begin(), timers_.end(), std::greater<>());
    const Timer timer = timers_.back();
    timers_.pop_back();
    return timer;
  }

  std::deque<Entry*> ready_;
  /** A heap, the earliest first. */
  std::vector<Timer> timers_;
};

}  // namespace streamkit
