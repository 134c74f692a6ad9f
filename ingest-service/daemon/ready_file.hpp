#pragma once
// The file by which a daemon says that it serves, and where.

#include <cstdint>
#include <string>

namespace wardlink::daemon {

/// {"port":…,"metrics_port":…,"pid":…}, whole or not at all. Throws std::runtime_error with one sentence.
void write_ready_file(const std::string& path, std::uint16_t port, std::uint16_t metrics_port);

}  // namespace wardlink::daemon
