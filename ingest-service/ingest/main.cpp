// wardlink-ingest: the daemon.

#include <grpc/support/log.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "daemon/metrics_port.hpp"
#include "daemon/ready_file.hpp"
#include "daemon/signals.hpp"
#include "ingest/config.hpp"
#include "ingest/healthcheck.hpp"
#include "ingest/metrics.hpp"
#include "ingest/service.hpp"

namespace {

using namespace wardlink::ingest;
using wardlink::daemon::MetricsPort;
using wardlink::daemon::Signals;

/// SIGHUP. What cannot be used changes nothing.
void renew(Service& service, const CredentialFiles& files) {
  try {
    service.renew(read_credentials(files));
    spdlog::info("certificates were read again: new handshakes and connections use them");
  } catch (const std::exception& error) {
    spdlog::error(fmt::format("certificates were read again and cannot be used, the old ones stay: {}", error.what()));
  }
}

int serve(const Config& config) {
  const Signals signals;
  Service service(config);
  {
    const MetricsPort port(config.metrics_port, [&service] { return metrics(service.stats()); });
    if (!config.ready_file.empty()) wardlink::daemon::write_ready_file(config.ready_file, service.port(), port.port());
    spdlog::info(fmt::format("listening on UDP port {} of {}; counters at http://127.0.0.1:{}/metrics; storage at {}",
                             service.port(), config.listen, port.port(), config.storage));
    for (auto came = signals.wait(); came != Signals::Came::end; came = signals.wait())
      if (came == Signals::Came::reload) renew(service, config.files);
  }
  spdlog::info(fmt::format("stopping: storage has {} s to take what waits", config.drain_seconds));
  const bool all = service.stop(std::chrono::seconds{config.drain_seconds});
  const auto stats = service.stats();
  if (!all) {
    spdlog::warn(fmt::format(
        "ended before storage had taken everything: lost are {} readings and up to {} audit entries; {} alarm records "
        "are"
        " still owed by their devices",
        stats.lanes.readings.waiting, stats.lanes.readings.audits, stats.lanes.alarms.waiting));
  }
  wardlink::daemon::print_summary(std::cerr, metrics(stats));
  if (!config.ready_file.empty()) std::remove(config.ready_file.c_str());
  return 0;
}

int run(int argc, char** argv) {
  int exit_code = 0;
  const auto config = read_config(argc, argv, exit_code);
  if (!config) return exit_code;
  if (!config->healthcheck) return serve(*config);
  std::string why;
  if (is_serving(*config, why)) return 0;
  std::cerr << why << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("wardlink-ingest"));
  // gRPC's own log would stand between an administrator and the one sentence; GRPC_VERBOSITY brings it back.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "wardlink-ingest: " << error.what() << '\n';
    return 1;
  }
}
