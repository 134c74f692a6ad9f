#pragma once
// Storage's counters as Prometheus sees them: names wardlink_storage_*.

#include <prometheus/metric_family.h>

#include <vector>

#include "storage/server.hpp"

namespace wardlink::storage {

/// `unknown_numbers`: of a newer version, that were read from the database.
std::vector<prometheus::MetricFamily> metrics(const Server::Stats& stats, std::uint64_t unknown_numbers = 0);

}  // namespace wardlink::storage
