#pragma once
// Ingest's counters as Prometheus sees them: names wardlink_ingest_*.

#include <prometheus/metric_family.h>

#include <vector>

#include "ingest/service.hpp"

namespace wardlink::ingest {

std::vector<prometheus::MetricFamily> metrics(const ServiceStats& stats);

}  // namespace wardlink::ingest
