#pragma once
// A daemon's counters as Prometheus sees them: text over plain HTTP, on loopback only.

#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "daemon/latency.hpp"

namespace wardlink::daemon {

/// Collects families: counter("name", "help"), then a sample for each set of labels.
class MetricFamilies {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;

  /// Every name begins with `prefix`.
  explicit MetricFamilies(std::string prefix) : prefix_(std::move(prefix)) {}

  /// Its name ends with _total.
  MetricFamilies& counter(const std::string& name, const std::string& help);
  MetricFamilies& gauge(const std::string& name, const std::string& help);
  MetricFamilies& sample(std::uint64_t value, Labels labels = {});
  /// A family of one histogram; its name ends with _seconds.
  MetricFamilies& histogram(const std::string& name, const std::string& help, const Latency& latency);
  std::vector<prometheus::MetricFamily> take() && { return std::move(families_); }

 private:
  MetricFamilies& family(const std::string& name, const std::string& help, prometheus::MetricType type);

  const std::string prefix_;
  std::vector<prometheus::MetricFamily> families_;
};

/// /metrics on 127.0.0.1.
class MetricsPort {
 public:
  using Source = std::function<std::vector<prometheus::MetricFamily>()>;

  /// port 0 = the kernel picks. `source` is called from the port's own thread. Throws std::runtime_error with one
  /// sentence.
  MetricsPort(std::uint16_t port, Source source);
  ~MetricsPort();
  std::uint16_t port() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// One line a counter that is not zero: `wardlink_ingest_records_total{stream="vitals",result="committed"} 12`.
void print_summary(std::ostream& out, const std::vector<prometheus::MetricFamily>& families);

}  // namespace wardlink::daemon
