#pragma once
// Storage's counters as Prometheus sees them: names wardlink_storage_*.

#include <prometheus/metric_family.h>

#include <vector>

#include "storage/server.hpp"

namespace wardlink::storage {

/// Of the database: `unknown_numbers` of a newer version that were read, `clock_jumps` as PostgresStore's.
std::vector<prometheus::MetricFamily> metrics(const Server::Stats& stats, std::uint64_t unknown_numbers = 0,
                                              std::uint64_t clock_jumps = 0);

}  // namespace wardlink::storage
