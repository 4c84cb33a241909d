#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

namespace streamkit {

/** Which viewers have something to send, now or at a time. Each is in it once at most: the earlier time
 * counts. */
class PumpSchedule {
 public:
  void now(uint32_t id) {
    State& state = states_[id];
    state.dueUs = kNone;
    if (!state.ready) {
      state.ready = true;
      ready_.push_back(id);
    }
  }

  void at(uint32_t id, int64_t dueUs) {
    State& state = states_[id];
    if (!state.ready && (state.dueUs == kNone || dueUs < state.dueUs)) {
      state.dueUs = dueUs;
      timers_.push({dueUs, id});
    }
  }

  void forget(uint32_t id) { states_.erase(id); }

  /** Moves those whose time has come to the ready ones. */
  void advance(int64_t nowUs) {
    while (!timers_.empty() && timers_.top().dueUs <= nowUs) {
      const Timer timer = timers_.top();
      timers_.pop();
      const auto found = states_.find(timer.id);
      // A timer whose viewer is gone, or was served earlier, is void.
      if (found != states_.end() && found->second.dueUs == timer.dueUs) {
        now(timer.id);
      }
    }
  }

  std::optional<uint32_t> take() {
    while (!ready_.empty()) {
      const uint32_t id = ready_.front();
      ready_.pop_front();
      const auto found = states_.find(id);
      if (found != states_.end() && found->second.ready) {
        found->second.ready = false;
        return id;
      }
    }
    return std::nullopt;
  }

  bool anyReady() const { return !ready_.empty(); }
  std::optional<int64_t> nextDueUs() const {
    return timers_.empty() ? std::nullopt : std::optional(timers_.top().dueUs);
  }

 private:
  static constexpr int64_t kNone = INT64_MIN;

  struct State {
    bool ready = false;
    int64_t dueUs = kNone;
  };

  struct Timer {
    int64_t dueUs;
    uint32_t id;
    bool operator>(const Timer& other) const { return dueUs > other.dueUs; }
  };

  std::unordered_map<uint32_t, State> states_;
  std::deque<uint32_t> ready_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
};

}  // namespace streamkit
