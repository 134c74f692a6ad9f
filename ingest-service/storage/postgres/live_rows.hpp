#pragma once
// Rows of live streams: which of each kind lie behind a position, and what they say.

#include <pqxx/pqxx>
#include <vector>

#include "storage/live_store.hpp"

namespace wardlink::storage::postgres {

/// Appends the events of one kind behind `after`, of transactions below `until`, in their order, at most `limit`.
void read_live(pqxx::work& tx, LiveKind kind, const LiveFilter& filter, const LivePosition& after, std::uint64_t until,
               std::size_t limit, std::vector<LiveEvent>& events);

}  // namespace wardlink::storage::postgres
