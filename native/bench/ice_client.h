#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "stun_message.h"

namespace bench {

struct IceCredentials {
  std::string ufrag;
  std::string password;
};

/** The controlled side of ICE (RFC 8445) with one host candidate: it answers checks, sends its own, and keeps
 * consent. */
class IceClient {
 public:
  using Send = std::function<void(const uint8_t* data, size_t size, const sockaddr_in& to)>;

  explicit IceClient(Send send);

  const IceCredentials& local() const { return local_; }
  /** Until then no check is answered. */
  void setRemote(IceCredentials remote) { remote_ = std::move(remote); }
  /** At most a few are kept. */
  void addRemoteCandidate(const sockaddr_in& address);
  void receive(const uint8_t* data, size_t size, const sockaddr_in& from, int64_t nowUs);
  void onTimer(int64_t nowUs);

  /** The server has nominated a pair. */
  bool nominated() const { return nominated_; }
  /** Valid once nominated. */
  const sockaddr_in& remote() const { return selected_; }
  uint64_t checksAnswered() const { return checksAnswered_; }

 private:
  static constexpr size_t kMaxCandidates = 4;

  void check(const sockaddr_in& to);

  IceCredentials local_;
  IceCredentials remote_;
  Send send_;
  std::vector<sockaddr_in> candidates_;
  sockaddr_in selected_{};
  bool nominated_ = false;
  int64_t nextCheckUs_ = 0;
  uint64_t tieBreaker_;
  uint64_t checksAnswered_ = 0;
};

}  // namespace bench
