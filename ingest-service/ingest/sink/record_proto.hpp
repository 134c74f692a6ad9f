#pragma once
// Between ingest's structs and the contract's messages (proto/wardlink/v1/ingest.proto).

#include <optional>
#include <vector>

#include "ingest/sink/lane_queue.hpp"
#include "wardlink/v1/ingest.pb.h"

namespace wardlink::ingest {

v1::IngestRequest to_proto(const LaneQueue::Outgoing& outgoing);

/// Empty when a result is none that ingest knows.
std::optional<std::vector<StorageAnswer>> from_proto(const v1::AppendResult& result);
/// Storage's calendar, where it told it.
std::optional<WallTime> calendar_of(const v1::Stamp& stamp);
/// Those that were not attached, and why.
std::vector<LaneQueue::Refusal> refusals(const v1::AttachAllResult& result);

}  // namespace wardlink::ingest
