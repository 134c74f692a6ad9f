#pragma once
// The command line, the settings file and the PEM files they name: the only place that reads them.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/ready_file.hpp"
#include "storage/port/access_store.hpp"
#include "storage/server.hpp"

namespace wardlink::storage {

/// Where the PEM files are. Secrets stay files.
struct CredentialFiles {
  std::string certificate, key, authority;
  std::string people_authority;         // of the API's clients, beside the other; empty = none
  bool refuse_service_clients = false;  // the API lets in whom people_authority signed, and nobody else
};

/// What this process does. all: no more than to keep the two others running.
enum class Serve { all, ingest, api };

/// What keeps the records. memory: this process does, as long as it runs.
enum class Store { postgres, memory };

struct ProgramConfig {
  Serve serve = Serve::all;
  std::string listen = "127.0.0.1:50051", listen_ingest = "127.0.0.1:50052";
  std::uint16_t metrics_port = 9465, metrics_port_ingest = 9466;  // TCP on 127.0.0.1; 0 = the kernel picks
  Server::Config server;                                          // of the one that it serves; with `all` of the API
  CredentialFiles files;
  std::string database;
  Store store = Store::postgres;  // as `database` says
  std::vector<Grant> grants;
  std::size_t max_memory = 1024;  // MiB resident, of each process
  std::string ready_file;         // empty = none
  bool healthcheck = false;
};

/// Nothing when the program is done already (--help, --print-config, a mistake): `exit_code` says how. Throws
/// std::runtime_error with one sentence when a file cannot be used.
std::optional<ProgramConfig> read_config(int argc, const char* const* argv, int& exit_code);

/// Throws std::runtime_error with one sentence.
ServerCredentials read_credentials(const CredentialFiles& files, Server::Serves serves);

/// The command line, argv[0] first, for the process of --serve all that serves `which`: this one without what is the
/// other's, with the ports that it had `before`.
std::vector<std::string> child_arguments(int argc, const char* const* argv, const ProgramConfig& config, Serve which,
                                         const std::optional<daemon::Ports>& before);

/// SUBJECT=ROLE or SUBJECT=ROLE@WARD. Throws std::runtime_error.
Grant parse_grant(const std::string& text);

}  // namespace wardlink::storage
