#pragma once
// The command line, the settings file and the PEM files they name: the only place that reads them.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/access_store.hpp"
#include "storage/server.hpp"

namespace wardlink::storage {

/// Where the PEM files are. Secrets stay files.
struct CredentialFiles {
  std::string certificate, key, authority;
};

struct ProgramConfig {
  Server::Config server;
  CredentialFiles files;
  std::string database;
  std::vector<Grant> grants;
  std::uint16_t metrics_port = 9465;  // TCP on 127.0.0.1; 0 = the kernel picks
  std::string ready_file;             // empty = none
  bool healthcheck = false;
};

/// Nothing when the program is done already (--help, --print-config, a mistake): `exit_code` says how. Throws
/// std::runtime_error with one sentence when a file cannot be used.
std::optional<ProgramConfig> read_config(int argc, const char* const* argv, int& exit_code);

/// Throws std::runtime_error with one sentence.
ServerCredentials read_credentials(const CredentialFiles& files);

/// SUBJECT=ROLE or SUBJECT=ROLE@WARD. Throws std::runtime_error.
Grant parse_grant(const std::string& text);

}  // namespace wardlink::storage
