#pragma once

#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "media_transport.h"
#include "stun_message.h"

namespace streamkit {

/**
 * Asks viewers whether they still want what they are sent (RFC 7675 section 5.1): a binding request every
 * five seconds or so, each with an id of its own and none repeated; who has answered none for thirty seconds
 * is gone.
 */
class ConsentKeeper {
 public:
  static constexpr int64_t kIntervalUs = 5'000'000;
  static constexpr int64_t kLifetimeUs = 30'000'000;

  struct Due {
    uint32_t endpoint;
    /** As it was given to `begin`. */
    uint32_t consent;
    /** It has not answered for too long, and is not asked any more. */
    bool lost = false;
    SelectedPair pair{};
    /** To be sent there; until the next call. */
    Bytes request{};
  };

  /**
   * Takes the place of what the endpoint's consent was about before.
   * @param consent what the loss is told by
   * @param request its attributes, without integrity and fingerprint, which come with each new id
   * @param password the viewer's
   */
  void begin(uint32_t endpoint, uint32_t consent, const SelectedPair& pair, Bytes request,
             std::string password, int64_t nowUs, uint32_t random);
  void end(uint32_t endpoint);
  /** The viewer has answered a request of here. */
  void confirm(uint32_t endpoint, const SelectedPair& pair, int64_t nowUs);

  /** The next one whose time has come. */
  std::optional<Due> take(int64_t nowUs, uint32_t random);
  std::optional<int64_t> nextDueUs() const {
    return due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
  }

 private:
  struct Consent {
    uint32_t id = 0;
    SelectedPair pair;
    std::vector<uint8_t> request;
    std::string password;
    int64_t dueUs = 0;
    int64_t expiresUs = 0;
  };

  void schedule(uint32_t endpoint, Consent& consent, int64_t nowUs, uint32_t random);

  std::unordered_map<uint32_t, Consent> consents_;
  /** When each is to be looked at, and whose it is. */
  std::set<std::pair<int64_t, uint32_t>> due_;
  std::vector<uint8_t> signed_;
};

}  // namespace streamkit
