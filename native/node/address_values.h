#pragma once

#include <optional>
#include <string>

#include "../core/socket_address.h"
#include "values.h"

namespace streamkit {

/** Nothing, with an exception pending, if it is none. */
std::optional<SocketAddress> addressOf(Arguments& arguments, const std::string& text, double port);
/** The same of an argument with `address` and `port`. */
std::optional<SocketAddress> addressAt(Arguments& arguments, size_t index);

}  // namespace streamkit
