#pragma once
// Rows of live streams.

#include <optional>
#include <pqxx/pqxx>
#include <vector>

#include "storage/port/live_store.hpp"
#include "storage/postgres/read/spans.hpp"

namespace wardlink::storage::postgres {

/// Its rows lie in daily partitions: they are read window by window.
bool in_days(LiveKind kind);

/// The windows of days that transactions from `from` on, below `until`, wrote rows of that kind to.
std::vector<Window> live_windows(pqxx::work& tx, LiveKind kind, std::uint64_t from, std::uint64_t until);

/// Rows of that kind behind `after`, of transactions below `until`, by position, at most `limit`; of the window, which
/// kinds that lie in days need.
std::vector<LiveEvent> read_live(pqxx::work& tx, LiveKind kind, const std::optional<Window>& window,
                                 const LiveFilter& filter, const LivePosition& after, std::uint64_t until,
                                 std::size_t limit);

}  // namespace wardlink::storage::postgres
