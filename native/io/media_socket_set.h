#pragma once

#include <poll.h>

#include <vector>

#include "media_socket.h"

namespace streamkit {

/** The media sockets of one plane. All methods are for its thread. */
class MediaSocketSet {
 public:
  class Listener {
   public:
    /** Told at most once per socket; nothing more is read from it. */
    virtual void onMediaSocketFailed(uint32_t id, MediaFault fault) = 0;

   protected:
    ~Listener() = default;
  };

  explicit MediaSocketSet(Listener& listener) : listener_(listener) {}

  void add(std::unique_ptr<MediaSocket> socket) { sockets_.push_back(std::move(socket)); }
  /** Null if it is closed, or has failed. */
  MediaSocket* find(uint32_t id);
  void close(uint32_t id);
  void clear() { sockets_.clear(); }

  /** Appends one entry per socket. */
  void appendTo(std::vector<pollfd>& polled) const;
  /** @param polled what poll() made of the entries that `appendTo` has appended */
  void noteReadable(const pollfd* polled);
  /**
   * Reads from those that are readable, from each a bounded amount.
   * @returns whether there may be more to read
   */
  bool read(MediaCore& core, int64_t nowUs);

 private:
  Listener& listener_;
  std::vector<std::unique_ptr<MediaSocket>> sockets_;
};

}  // namespace streamkit
