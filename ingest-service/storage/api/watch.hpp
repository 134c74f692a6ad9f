#pragma once
// VitalsService.Watch and AlarmService.Watch; the .proto says what they mean. A watcher is shown the present state, or
// what it missed since its cursor, from the database; then it follows the tail.

#include <grpcpp/support/sync_stream.h>

#include "storage/access/guard.hpp"
#include "storage/api/tallies.hpp"
#include "storage/live/tail.hpp"
#include "wardlink/v1/vitals.pb.h"

namespace wardlink::storage {

/// Any thread; each call holds its own.
class WatchService {
 public:
  struct Kind {
    std::string_view method;
    bool sets = true;
  };

  WatchService(LiveStore& store, LiveTail& tail, Guard& guard, Tallies& tallies)
      : store_(store), tail_(tail), guard_(guard), tallies_(tallies) {}

  grpc::Status serve(grpc::ServerContext& context, const v1::WatchRequest& request,
                     grpc::ServerWriter<v1::WatchResponse>& stream, Kind kind);

 private:
  LiveStore& store_;
  LiveTail& tail_;
  Guard& guard_;
  Tallies& tallies_;
};

}  // namespace wardlink::storage
