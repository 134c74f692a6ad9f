#pragma once
// Storage's counters as Prometheus sees them: names wardlink_storage_*.

#include <prometheus/metric_family.h>

#include <vector>

#include "storage/server.hpp"

namespace wardlink::storage {

std::vector<prometheus::MetricFamily> metrics(const Server::Stats& stats);

}  // namespace wardlink::storage
