#pragma once
// Ingest's counters as Prometheus sees them: names wardlink_ingest_*, plain HTTP on loopback.

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "ingest/service.hpp"

namespace wardlink::ingest {

using StatsSource = std::function<ServiceStats()>;

/// /metrics on 127.0.0.1.
class MetricsServer {
 public:
  /// port 0 = the kernel picks. `source` is called from the server's own thread. Throws std::runtime_error with one
  /// sentence.
  MetricsServer(std::uint16_t port, StatsSource source);
  ~MetricsServer();
  std::uint16_t port() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// One line a counter that is not zero: "wardlink_ingest_records_total{stream="vitals",result="committed"} 12".
void print_summary(std::ostream& out, const ServiceStats& stats);

}  // namespace wardlink::ingest
