#pragma once
// What the administrator says, by flags or in a file, with the PEM files it names read in.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "coap/credentials.hpp"
#include "ingest/sink/grpc_sink.hpp"

namespace wardlink::ingest {

/// Where the PEM files are. Secrets stay files.
struct CredentialFiles {
  std::string cert, key, device_ca;                   // towards devices
  std::string storage_cert, storage_key, storage_ca;  // towards storage
};

/// What is in them.
struct IngestCredentials {
  coap::Credentials dtls;  // trusted_ca: the authority of devices
  StorageCredentials storage;
};

struct Config {
  std::string listen = "::";  // IPv6 and IPv4
  std::uint16_t port = 5684;  // UDP; 0 = the kernel picks
  unsigned shards = 0;        // 0 = as many as there are cores
  bool allow_ccm_8 = false;
  std::function<void(std::string_view)> key_log;  // SSLKEYLOGFILE, in debug builds
  std::string storage = "localhost:50052";
  CredentialFiles files;
  IngestCredentials credentials;
  std::size_t readings_capacity = 65'536;  // a shard
  unsigned drain_seconds = 8;              // that storage has at the end to take what waits
  std::uint16_t metrics_port = 9464;       // TCP on 127.0.0.1; 0 = the kernel picks
  std::string ready_file;                  // empty = none
  bool healthcheck = false;                // ask a running one, then exit
};

/// Reads the command line and the file that it names. Empty: there is nothing to run (--help, --print-config, or a
/// mistake, which has been told), and `exit_code` says how to end. Throws std::runtime_error with one sentence when a
/// PEM file cannot be used.
std::optional<Config> read_config(int argc, const char* const* argv, int& exit_code);

/// Throws std::runtime_error with one sentence.
IngestCredentials read_credentials(const CredentialFiles& files);

}  // namespace wardlink::ingest
