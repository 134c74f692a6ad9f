#include "storage/upkeep.hpp"

#include <grpc/support/log.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string_view>

namespace wardlink::storage {
namespace {

/// As one line; that a handshake was refused is worth a warning.
void log_grpc(gpr_log_func_args* said) {
  const std::string_view message = said->message;
  if (message.find("Handshake failed") != std::string_view::npos) {
    spdlog::warn(fmt::format("a TLS handshake was refused: {}", message.substr(message.rfind(':') + 1)));
  } else if (spdlog::should_log(spdlog::level::debug)) {
    spdlog::debug(fmt::format("grpc: {}", message));
  }
}

/// MiB of this process that are in memory; 0 where the kernel does not say.
std::size_t resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, pages = 0;
  file >> all >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / (1024 * 1024);
}

}  // namespace

void log_what_grpc_says() { gpr_set_log_function(log_grpc); }

void renew(Server& server, const CredentialFiles& files, Server::Serves serves) {
  try {
    server.renew(read_credentials(files, serves));
    spdlog::info("certificates were read again: who connects from now on meets the new ones");
  } catch (const std::exception& error) {
    spdlog::error(fmt::format("certificates were read again and cannot be used, the old ones stay: {}", error.what()));
  }
}

void end_if_too_large(std::size_t most) {
  const auto now = resident();
  if (now <= most) return;
  spdlog::critical(fmt::format("{} MiB of memory are more than --max-memory, {}: this process ends", now, most));
  std::_Exit(1);
}

}  // namespace wardlink::storage
