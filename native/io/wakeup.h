#pragma once

namespace streamkit {

/** Wakes a thread that sleeps in poll(). */
class Wakeup {
 public:
  Wakeup();
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  bool valid() const { return readFd_ >= 0; }
  int fd() const { return readFd_; }
  /** From any thread. */
  void notify();
  void drain();

 private:
  int readFd_ = -1;
  int writeFd_ = -1;
};

}  // namespace streamkit
