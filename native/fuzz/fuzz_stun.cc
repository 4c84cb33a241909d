#include "core/stun_message.h"

using namespace streamkit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto message = StunMessage::parse(Bytes(data, size));
  if (message.has_value()) {
    (void)message->integrityMatches("VOkJxbRl1RmTxUk/WvJxBt");
    // The user name is read as text by whoever looks its owner up.
    volatile size_t colon = message->username().find(':');
    (void)colon;
  }
  return 0;
}
