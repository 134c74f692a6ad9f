#pragma once
// A live stream that goes on by itself: after a loss, from its last cursor, until it is interrupted.

#include <functional>
#include <memory>

#include "client/session.hpp"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::command_line {

using WatchReader = std::unique_ptr<grpc::ClientReader<v1::WatchResponse>>;

/// `open` begins the call; `show` is given each response, in order, once. Returns exit_ok after an interrupt, having
/// said with which cursor to go on. Throws Failure when the server refuses, or is away at the very beginning.
int follow(Session& session, v1::WatchRequest request,
           const std::function<WatchReader(grpc::ClientContext&, const v1::WatchRequest&)>& open,
           const std::function<void(const v1::WatchResponse&)>& show);

}  // namespace wardlink::command_line
