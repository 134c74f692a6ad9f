// wardlink-storage: from start to signal.

#include <grpc/support/log.h>
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <memory>
#include <string_view>

#include "daemon/ready_file.hpp"
#include "storage/config.hpp"
#include "storage/healthcheck.hpp"
#include "storage/postgres_store.hpp"
#include "storage/store_error.hpp"

namespace {

using namespace wardlink::storage;

/// SIGINT and SIGTERM wait here and nowhere else; blocked before the first thread starts.
class StopSignal {
 public:
  StopSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    signal(SIGPIPE, SIG_IGN);
  }

  /// True when one came within that time.
  bool came_within(std::chrono::seconds time) const {
    const timespec limit{static_cast<std::time_t>(time.count()), 0};
    return sigtimedwait(&signals_, nullptr, &limit) > 0;
  }

 private:
  sigset_t signals_;
};

/// What gRPC says of itself goes to the log as one line; that a handshake was refused is worth a warning.
void log_grpc(gpr_log_func_args* said) {
  const std::string_view message = said->message;
  if (message.find("Handshake failed") != std::string_view::npos) {
    spdlog::warn("a TLS handshake was refused: {}", message.substr(message.rfind(':') + 1));
  } else {
    spdlog::debug("grpc: {}", message);
  }
}

/// Waits for PostgreSQL; nullptr when told to stop meanwhile.
std::unique_ptr<PostgresStore> open_store(const ProgramConfig& config, const StopSignal& stop) {
  for (;;) {
    try {
      auto store = std::make_unique<PostgresStore>(PostgresStore::Config{.connection = config.database});
      store->ensure_grants(config.grants);
      return store;
    } catch (const StoreError& error) {
      if (error.kind() != StoreError::Kind::away) throw;
      spdlog::warn("waiting for PostgreSQL: {}", error.what());
    }
    if (stop.came_within(std::chrono::seconds(2))) return nullptr;
  }
}

void look_after(PostgresStore& store, Server& server, const StopSignal& stop) {
  using Clock = std::chrono::steady_clock;
  auto maintained = Clock::now();
  bool serving = true;
  while (!stop.came_within(std::chrono::seconds(2))) {
    bool answers = false;
    try {
      store.probe();
      if (Clock::now() - maintained >= std::chrono::hours(1)) {
        store.maintain();
        maintained = Clock::now();
      }
      answers = true;
    } catch (const std::exception& error) {
      if (serving) spdlog::error("{}", error.what());
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
  const auto config = read_config(argc, argv, exit_code);
  if (!config) return exit_code;
  if (config->healthcheck) {
    gpr_set_log_function([](gpr_log_func_args*) {});  // the answer is one sentence
    return healthcheck(config->server);
  }

  const StopSignal stop;
  spdlog::set_default_logger(spdlog::stderr_color_mt("storage"));
  gpr_set_log_function(log_grpc);
  // A database that hangs must not hold up the start for ever.
  setenv("PGCONNECT_TIMEOUT", "5", 0);
  setenv("PGAPPNAME", "wardlink-storage", 0);
  const auto store = open_store(*config, stop);
  if (!store) return 0;
  Server server(config->server, *store, *store, *store, *store);
  spdlog::info("serving on port {}", server.port());
  if (!config->ready_file.empty())
    wardlink::daemon::write_ready_file(config->ready_file, static_cast<std::uint16_t>(server.port()), 0);
  look_after(*store, server, stop);
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
