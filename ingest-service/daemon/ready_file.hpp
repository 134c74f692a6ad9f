#pragma once
// How a daemon says that it serves, and where: in a file for whoever started it, and to the supervisor that it may
// have.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace wardlink::daemon {

/// Where a process serves.
struct Ports {
  std::uint16_t port = 0, metrics_port = 0;
};

/// One JSON object of these numbers, whole or not at all. Throws std::runtime_error with one sentence.
void write_ready_file(const std::string& path, const std::vector<std::pair<std::string, long>>& numbers);
/// {"port":…,"metrics_port":…,"pid":…}, of this process.
void write_ready_file(const std::string& path, std::uint16_t port, std::uint16_t metrics_port);

/// Names, in a child's environment, the descriptor at which its supervisor waits for tell_supervisor().
inline constexpr const char* supervisor_variable = "WARDLINK_READY_FD";
/// Once; nothing happens where there is no supervisor.
void tell_supervisor(const Ports& ports);

}  // namespace wardlink::daemon
