#include "daemon/metrics_port.hpp"

#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <limits>
#include <stdexcept>

namespace wardlink::daemon {
namespace {

class Collector final : public prometheus::Collectable {
 public:
  explicit Collector(MetricsPort::Source source) : source_(std::move(source)) {}
  std::vector<prometheus::MetricFamily> Collect() const override { return source_(); }

 private:
  MetricsPort::Source source_;
};

}  // namespace

MetricFamilies& MetricFamilies::counter(const std::string& name, const std::string& help) {
  return family(name + "_total", help, prometheus::MetricType::Counter);
}

MetricFamilies& MetricFamilies::gauge(const std::string& name, const std::string& help) {
  return family(name, help, prometheus::MetricType::Gauge);
}

MetricFamilies& MetricFamilies::sample(std::uint64_t value, Labels labels) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  metric.counter.value = metric.gauge.value = static_cast<double>(value);
  families_.back().metric.push_back(std::move(metric));
  return *this;
}

MetricFamilies& MetricFamilies::histogram(const std::string& name, const std::string& help, const Latency& latency) {
  family(name + "_seconds", help, prometheus::MetricType::Histogram);
  prometheus::ClientMetric metric;
  auto& histogram = metric.histogram;
  for (std::size_t i = 0; i < latency.counts().size(); ++i) {
    histogram.sample_count += latency.counts()[i];
    const double bound = i < Latency::bounds.size() ? Latency::bounds[i] : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({histogram.sample_count, bound});
  }
  histogram.sample_sum = latency.seconds();
  families_.back().metric.push_back(std::move(metric));
  return *this;
}

MetricFamilies& MetricFamilies::family(const std::string& name, const std::string& help, prometheus::MetricType type) {
  families_.push_back({prefix_ + name, help, type, {}});
  return *this;
}

struct MetricsPort::Impl {
  std::shared_ptr<Collector> collector;
  prometheus::Exposer exposer;

  Impl(const std::string& address, Source source)
      : collector(std::make_shared<Collector>(std::move(source))), exposer(address, 1) {
    exposer.RegisterCollectable(collector);
  }
};

MetricsPort::MetricsPort(std::uint16_t port, Source source) {
  const std::string address = "127.0.0.1:" + std::to_string(port);
  try {
    impl_ = std::make_unique<Impl>(address, std::move(source));
  } catch (const std::exception&) {
    throw std::runtime_error("Cannot serve metrics on TCP port " + std::to_string(port) +
                             " of 127.0.0.1: is another program using it? Choose another with --metrics-port.");
  }
}

MetricsPort::~MetricsPort() = default;

std::uint16_t MetricsPort::port() const { return static_cast<std::uint16_t>(impl_->exposer.GetListeningPorts().at(0)); }

void print_summary(std::ostream& out, const std::vector<prometheus::MetricFamily>& families) {
  for (const auto& family : families)
    for (const auto& metric : family.metric) {
      if (family.type != prometheus::MetricType::Counter || metric.counter.value == 0) continue;
      out << family.name;
      for (std::size_t i = 0; i < metric.label.size(); ++i)
        out << (i == 0 ? "{" : ",") << metric.label[i].name << "=\"" << metric.label[i].value << '"';
      out << (metric.label.empty() ? " " : "} ") << static_cast<std::uint64_t>(metric.counter.value) << '\n';
    }
}

}  // namespace wardlink::daemon
