// wardlink-storage: from start to signal.

#include <grpc/support/log.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string_view>

#include "daemon/metrics_port.hpp"
#include "daemon/ready_file.hpp"
#include "daemon/signals.hpp"
#include "storage/config.hpp"
#include "storage/healthcheck.hpp"
#include "storage/metrics.hpp"
#include "storage/postgres_store.hpp"
#include "storage/store_error.hpp"

namespace {

using namespace wardlink::storage;
using wardlink::daemon::MetricsPort;
using wardlink::daemon::Signals;

/// What gRPC says of itself goes to the log as one line; that a handshake was refused is worth a warning.
void log_grpc(gpr_log_func_args* said) {
  const std::string_view message = said->message;
  if (message.find("Handshake failed") != std::string_view::npos) {
    spdlog::warn(fmt::format("a TLS handshake was refused: {}", message.substr(message.rfind(':') + 1)));
  } else if (spdlog::should_log(spdlog::level::debug)) {
    spdlog::debug(fmt::format("grpc: {}", message));
  }
}

/// Waits for PostgreSQL; nullptr when told to stop meanwhile.
std::unique_ptr<PostgresStore> open_store(const ProgramConfig& config, const Signals& signals) {
  for (;;) {
    try {
      auto store = std::make_unique<PostgresStore>(PostgresStore::Config{.connection = config.database});
      store->ensure_grants(config.grants);
      return store;
    } catch (const StoreError& error) {
      if (error.kind() != StoreError::Kind::away) throw;
      spdlog::warn(fmt::format("waiting for PostgreSQL: {}", error.what()));
    }
    if (signals.wait(std::chrono::seconds(2)) == Signals::Came::end) return nullptr;
  }
}

/// SIGHUP. What cannot be used changes nothing.
void renew(Server& server, const CredentialFiles& files) {
  try {
    server.renew(read_credentials(files));
    spdlog::info("certificates were read again: who connects from now on meets the new ones");
  } catch (const std::exception& error) {
    spdlog::error(fmt::format("certificates were read again and cannot be used, the old ones stay: {}", error.what()));
  }
}

void look_after(PostgresStore& store, Server& server, const CredentialFiles& files, const Signals& signals) {
  using Clock = std::chrono::steady_clock;
  auto maintained = Clock::now();
  bool serving = true;
  for (;;) {
    const auto came = signals.wait(std::chrono::seconds(2));
    if (came == Signals::Came::end) return;
    if (came == Signals::Came::reload) renew(server, files);
    server.let_go();
    bool answers = false;
    try {
      store.probe();
      if (Clock::now() - maintained >= std::chrono::hours(1)) {
        store.maintain();
        maintained = Clock::now();
      }
      answers = true;
    } catch (const std::exception& error) {
      if (serving) spdlog::error(error.what());
    }
    if (answers != serving) {
      server.set_serving(answers);
      spdlog::info(answers ? "serving again" : "not serving until the database is back");
    }
    serving = answers;
  }
}

int run(int argc, char** argv) {
  int exit_code = 0;
  auto config = read_config(argc, argv, exit_code);
  if (!config) return exit_code;
  if (config->healthcheck) {
    gpr_set_log_function([](gpr_log_func_args*) {});  // the answer is one sentence
    return healthcheck(config->server);
  }

  const Signals signals;
  spdlog::set_default_logger(spdlog::stderr_color_mt("storage"));
  gpr_set_log_function(log_grpc);
  // A database that hangs must not hold up the start for ever.
  setenv("PGCONNECT_TIMEOUT", "5", 0);
  setenv("PGAPPNAME", "wardlink-storage", 0);
  const auto store = open_store(*config, signals);
  if (!store) return 0;
  // PostgreSQL may have been away for long: the certificates of now.
  config->server.credentials = read_credentials(config->files);
  Server server(config->server, *store, *store, *store, *store);
  const MetricsPort metrics_port(config->metrics_port, [&server] { return metrics(server.stats()); });
  spdlog::info(
      fmt::format("serving on port {}; counters at http://127.0.0.1:{}/metrics", server.port(), metrics_port.port()));
  if (!config->ready_file.empty()) {
    wardlink::daemon::write_ready_file(config->ready_file, static_cast<std::uint16_t>(server.port()),
                                       metrics_port.port());
  }
  look_after(*store, server, config->files, signals);
  spdlog::info("stopping");
  server.set_serving(false);
  server.shutdown();
  return 0;
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
