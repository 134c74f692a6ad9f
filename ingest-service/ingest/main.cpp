// wardlink-ingest: the daemon.

#include <grpc/support/log.h>
#include <pthread.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "daemon/ready_file.hpp"
#include "ingest/config.hpp"
#include "ingest/healthcheck.hpp"
#include "ingest/metrics.hpp"
#include "ingest/service.hpp"

namespace {

using namespace wardlink::ingest;

constexpr std::chrono::seconds patience_at_the_end{3};

/// SIGINT and SIGTERM wait for sigwait(): blocked before any thread is made, so that all inherit it.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

int serve(const Config& config) {
  const sigset_t signals = block_signals();
  Service service(config);
  {
    const MetricsServer metrics(config.metrics_port, [&service] { return service.stats(); });
    spdlog::info("listening on UDP port {} of {}; counters at http://127.0.0.1:{}/metrics; storage at {}",
                 service.port(), config.listen, metrics.port(), config.storage);
    if (!config.ready_file.empty())
      wardlink::daemon::write_ready_file(config.ready_file, service.port(), metrics.port());
    int signal = 0;
    sigwait(&signals, &signal);
  }
  if (!service.stop(patience_at_the_end)) spdlog::warn("ended before storage had taken everything that waited");
  print_summary(std::cerr, service.stats());
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
