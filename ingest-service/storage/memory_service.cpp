#include "storage/memory_service.hpp"

#include <openssl/rand.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "daemon/metrics_port.hpp"
#include "daemon/ready_file.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/metrics.hpp"
#include "storage/upkeep.hpp"

namespace wardlink::storage {
namespace {

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

/// A random uuid (RFC 9562 §5.4).
std::string new_uuid() {
  std::array<std::uint32_t, 5> words{};
  if (RAND_bytes(reinterpret_cast<unsigned char*>(words.data()), sizeof words) != 1)
    throw std::runtime_error("No random numbers can be had.");
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:08x}{:04x}", words[0], words[1] >> 16, words[1] & 0xfff,
                     (words[2] & 0x3fff) | 0x8000, words[3], words[4] >> 16);
}

struct Port {
  Port(const ProgramConfig& config, MemoryStore& store, Server::Serves serving, const std::string& address,
       std::uint16_t metrics_at)
      : serves(serving),
        server(settings(config, serving, address), store, store, store, store),
        metrics_port(metrics_at, [this] { return metrics(server.stats()); }) {}

  static Server::Config settings(const ProgramConfig& config, Server::Serves serving, const std::string& address) {
    auto settings = config.server;
    settings.serves = serving;
    settings.address = address;
    settings.credentials = read_credentials(config.files, serving);
    return settings;
  }

  const Server::Serves serves;
  Server server;
  const daemon::MetricsPort metrics_port;
};

void tell(const ProgramConfig& config, const Port& ingest, const Port& api) {
  spdlog::warn("--database memory: nothing is kept: records, patients and grants end with this process");
  if (!config.ready_file.empty())
    daemon::write_ready_file(config.ready_file, {{"port", api.server.port()},
                                                 {"metrics_port", api.metrics_port.port()},
                                                 {"ingest_port", ingest.server.port()},
                                                 {"ingest_metrics_port", ingest.metrics_port.port()},
                                                 {"pid", getpid()}});
  spdlog::info(
      fmt::format("serving the API on port {}, ingest on port {}; counters at http://127.0.0.1:{}/metrics and "
                  "http://127.0.0.1:{}/metrics",
                  api.server.port(), ingest.server.port(), api.metrics_port.port(), ingest.metrics_port.port()));
}

}  // namespace

int serve_from_memory(const ProgramConfig& config, const daemon::Signals& signals) {
  log_what_grpc_says();
  MemoryStore store({.now = now, .new_id = new_uuid});
  store.ensure_grants(config.grants);
  // In this order: reflection, once the API has it, is every later server's.
  Port ingest(config, store, Server::Serves::ingest, config.listen_ingest, config.metrics_port_ingest);
  Port api(config, store, Server::Serves::api, config.listen, config.metrics_port);
  tell(config, ingest, api);
  for (;;) {
    const auto came = signals.wait(std::chrono::seconds(2));
    if (came == daemon::Signals::Came::end) break;
    end_if_too_large(config.max_memory);
    for (auto* port : {&ingest, &api}) {
      if (came == daemon::Signals::Came::reload) renew(port->server, config.files, port->serves);
      port->server.let_go();
      port->server.look_at_calendar();
    }
  }
  spdlog::info("stopping");
  for (auto* port : {&api, &ingest}) {
    port->server.set_serving(false);
    port->server.shutdown();
  }
  return 0;
}

}  // namespace wardlink::storage
