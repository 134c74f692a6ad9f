// wardlink-storage: from start to signal. One of its two processes, or the supervisor of both.

#include <grpc/support/log.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "daemon/metrics_port.hpp"
#include "daemon/ready_file.hpp"
#include "daemon/signals.hpp"
#include "daemon/supervisor.hpp"
#include "storage/config.hpp"
#include "storage/healthcheck.hpp"
#include "storage/memory_service.hpp"
#include "storage/metrics.hpp"
#include "storage/port/store_error.hpp"
#include "storage/postgres/postgres_store.hpp"
#include "storage/upkeep.hpp"

namespace {

using namespace wardlink::storage;
using wardlink::daemon::MetricsPort;
using wardlink::daemon::Ports;
using wardlink::daemon::Signals;
using wardlink::daemon::Supervisor;

/// Waits for PostgreSQL, and the API for the schema too; nullptr when told to stop meanwhile.
std::unique_ptr<PostgresStore> open_store(const ProgramConfig& config, const Signals& signals) {
  PostgresStore::Config wanted{.connection = config.database};
  wanted.keeps_schema = config.serve == Serve::ingest;
  if (wanted.keeps_schema) wanted.max_readers = 2;  // it asks for grants, and writes the audit
  std::string told;
  for (;;) {
    try {
      auto store = std::make_unique<PostgresStore>(wanted);
      store->ensure_grants(config.grants);
      return store;
    } catch (const StoreError& error) {
      if (error.kind() != StoreError::Kind::away) throw;
      if (told != error.what()) spdlog::warn(fmt::format("waiting for PostgreSQL: {}", error.what()));
      told = error.what();
    }
    if (signals.wait(std::chrono::seconds(1)) == Signals::Came::end) return nullptr;
  }
}

void look_after(PostgresStore& store, Server& server, const ProgramConfig& config, const Signals& signals) {
  using Clock = std::chrono::steady_clock;
  auto maintained = Clock::now();
  std::optional<Clock::time_point> looked;
  bool serving = true;
  std::string told;  // each cause once, also when one follows another
  for (;;) {
    const auto came = signals.wait(std::chrono::seconds(2));
    if (came == Signals::Came::end) return;
    end_if_too_large(config.max_memory);
    if (came == Signals::Came::reload) renew(server, config.files, config.server.serves);
    server.let_go();
    bool answers = false;
    try {
      store.probe();
      if (config.serve == Serve::ingest) {
        store.epoch();  // of a database that was restored meanwhile: the API waits for it
        store.watch_durability();
      }
      if (config.serve == Serve::ingest && Clock::now() - maintained >= std::chrono::hours(1)) {
        store.maintain();
        maintained = Clock::now();
      }
      if (!looked || Clock::now() - *looked >= std::chrono::seconds(10)) {
        server.look_at_calendar();
        looked = Clock::now();
      }
      answers = true;
      told.clear();
    } catch (const std::exception& error) {
      if (told != error.what()) spdlog::error(error.what());
      told = error.what();
    }
    if (answers != serving) {
      server.set_serving(answers);
      spdlog::info(answers ? "serving again" : "not serving until the database is back");
    }
    serving = answers;
  }
}

/// Until told to end: what --serve ingest commits wakes the live streams of --serve api (commit_bell.hpp).
void pass_bell_on(PostgresStore& store, const std::stop_token& end) {
  constexpr std::chrono::milliseconds between_two{20}, longest_look{200}, away{500};
  while (!end.stop_requested()) {
    try {
      for (const auto listener = store.listen(); !end.stop_requested(); std::this_thread::sleep_for(between_two))
        listener->wait(longest_look);
    } catch (const std::exception&) {  // the database is away, and whoever looks after the store says so
      std::this_thread::sleep_for(away);
    }
  }
}

/// --serve ingest, --serve api.
int serve(ProgramConfig& config, const Signals& signals) {
  const bool for_ingest = config.serve == Serve::ingest;
  log_what_grpc_says();
  if (!for_ingest) setpriority(PRIO_PROCESS, 0, wardlink::daemon::way_given);
  // A database that hangs must not hold up the start for ever.
  setenv("PGCONNECT_TIMEOUT", "5", 0);
  setenv("PGAPPNAME", for_ingest ? "wardlink-storage-ingest" : "wardlink-storage-api", 0);
  const auto store = open_store(config, signals);
  if (!store) return 0;
  std::jthread bell;
  if (for_ingest) bell = std::jthread([&store](const std::stop_token& end) { pass_bell_on(*store, end); });
  // PostgreSQL may have been away for long: the certificates of now.
  config.server.credentials = read_credentials(config.files, config.server.serves);
  Server server(config.server, *store, *store, *store, *store);
  const MetricsPort metrics_port(for_ingest ? config.metrics_port_ingest : config.metrics_port, [&server, &store] {
    return metrics(server.stats(), PostgresStore::unknown_numbers(), store->clock_jumps());
  });
  const Ports ports{static_cast<std::uint16_t>(server.port()), metrics_port.port()};
  if (!config.ready_file.empty()) wardlink::daemon::write_ready_file(config.ready_file, ports.port, ports.metrics_port);
  wardlink::daemon::tell_supervisor(ports);
  spdlog::info(fmt::format("serving {} on port {}; counters at http://127.0.0.1:{}/metrics",
                           for_ingest ? "ingest" : "the API", server.port(), metrics_port.port()));
  look_after(*store, server, config, signals);
  spdlog::info("stopping");
  server.set_serving(false);
  server.shutdown();
  return 0;
}

/// --serve all. Nothing of gRPC runs in this process.
int supervise(int argc, char** argv, const ProgramConfig& config) {
  const auto all_ready = [&config](const std::vector<Ports>& ports) {
    if (config.ready_file.empty()) return;
    wardlink::daemon::write_ready_file(config.ready_file, {{"port", ports[1].port},
                                                           {"metrics_port", ports[1].metrics_port},
                                                           {"ingest_port", ports[0].port},
                                                           {"ingest_metrics_port", ports[0].metrics_port},
                                                           {"pid", getpid()}});
  };
  const auto child = [&](Serve which) {
    const bool for_ingest = which == Serve::ingest;
    return Supervisor::Child{
        for_ingest ? "--serve ingest" : "--serve api",
        [=, &config](const std::optional<Ports>& before) { return child_arguments(argc, argv, config, which, before); },
        for_ingest};  // alarms are stored, whatever is wrong with the API
  };
  return Supervisor({child(Serve::ingest), child(Serve::api)}, all_ready, {}).run();
}

/// On the store that --database says.
int serve_store(int argc, char** argv, ProgramConfig& config) {
  switch (config.store) {
    case Store::memory:
      return serve_from_memory(config, Signals());
    case Store::postgres:
      break;
  }
  if (!PostgresStore::is_connection(config.database))
    throw std::runtime_error(
        "--database is neither how PostgreSQL is reached (host=... dbname=..., or postgresql://...) nor memory: (with "
        "its colon).");
  if (config.serve == Serve::all) return supervise(argc, argv, config);
  return serve(config, Signals());
}

int run(int argc, char** argv) {
  int exit_code = 0;
  auto config = read_config(argc, argv, exit_code);
  if (!config) return exit_code;
  if (config->healthcheck) {
    gpr_set_log_function([](gpr_log_func_args*) {});  // the answer is one sentence
    return healthcheck(config->server);
  }
  spdlog::set_default_logger(spdlog::stderr_color_mt(config->serve == Serve::all      ? "storage"
                                                     : config->serve == Serve::ingest ? "storage-ingest"
                                                                                      : "storage-api"));
  return serve_store(argc, argv, *config);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "wardlink-storage: " << error.what() << "\n";
    return 1;
  }
}
