#pragma once
// A watch as a command: prints until it is interrupted.

#include <functional>

#include "client/session.hpp"
#include "wardlink/client/watch_options.hpp"
#include "wardlink/v1/vitals.pb.h"

namespace wardlink::command_line {

/// `show` is given each response, in order, once. Returns exit_ok after an interrupt, having said with which cursor to
/// go on. Throws client::Error when the server refuses, a cursor that it cannot use included, or is away at the very
/// beginning.
int follow(Session& session, client::WatchOptions options, const std::function<void(const v1::WatchResponse&)>& show);

}  // namespace wardlink::command_line
