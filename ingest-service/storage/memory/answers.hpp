#pragma once
// Rows as questions and live streams tell them. The caller holds the tables' mutex.

#include "storage/memory/tables.hpp"

namespace wardlink::storage::memory {

Page<LatestRow, std::int64_t> latest_rows(const Tables& tables, const Scope& scope, const Subject& subject,
                                          std::int64_t after, std::size_t limit);
/// `row` is a measurement set's.
ReadingRow reading_of(const Tables& tables, const Row& row);
/// `row` is a waveform run's.
RunRow run_of(const Tables& tables, const Row& row);

}  // namespace wardlink::storage::memory
