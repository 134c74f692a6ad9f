#pragma once
// The command line and the files it names: the only place that reads them.

#include <optional>
#include <string>
#include <vector>

#include "storage/access_store.hpp"
#include "storage/server.hpp"

namespace wardlink::storage {

struct ProgramConfig {
  Server::Config server;
  std::string database;
  std::vector<Grant> grants;
  std::string ready_file;  // empty = none
  bool healthcheck = false;
};

/// Nothing when the program is done already (--help, --version, a mistake): `exit_code` says how. Throws
/// std::runtime_error with one sentence when a file cannot be read.
std::optional<ProgramConfig> read_config(int argc, char** argv, int& exit_code);

/// SUBJECT=ROLE or SUBJECT=ROLE@WARD. Throws std::runtime_error.
Grant parse_grant(const std::string& text);

/// {"port":…,"metrics_port":0,"pid":…}, whole or not at all. Throws std::runtime_error.
void write_ready_file(const std::string& path, int port);

}  // namespace wardlink::storage
