#pragma once

#include <memory>
#include <optional>

#include "../core/media_ingress.h"

namespace streamkit {

/** Our end of a media socket: a non-blocking stream socket that one thread reads. */
class MediaSocket {
 public:
  /**
   * Read per turn of the thread at most: a session process that writes without end delays the viewers of
   * others by no more than this takes.
   */
  static constexpr size_t kBytesPerTurn = 128 * 1024;

  struct Pair {
    /** To be read by a MediaSocket, which closes it. */
    int ours = -1;
    /** To be given to the session process and then closed. */
    int theirs = -1;
    /** Errno of the failure; there are no descriptors then. */
    int error = 0;
  };

  /** Both are closed on exec; `theirs` blocks, as a child process expects of its descriptors. */
  static Pair open();

  MediaSocket(uint32_t id, int fd, std::shared_ptr<MediaSocketStats> stats)
      : id_(id), fd_(fd), ingress_(std::move(stats)) {}
  ~MediaSocket();
  MediaSocket(const MediaSocket&) = delete;
  MediaSocket& operator=(const MediaSocket&) = delete;

  uint32_t id() const { return id_; }
  int fd() const { return fd_; }
  MediaIngress& ingress() { return ingress_; }

  /** Bytes are waiting, or the other end has closed. */
  bool readable() const { return readable_; }
  void noteReadable() { readable_ = true; }
  /**
   * Reads what is there, at most kBytesPerTurn; `readable` then says whether there may be more.
   * @returns why nothing more may be read, or nothing
   */
  [[nodiscard]] std::optional<MediaFault> read(MediaCore& core, int64_t nowUs);

 private:
  uint32_t id_;
  int fd_;
  MediaIngress ingress_;
  bool readable_ = false;
};

}  // namespace streamkit
