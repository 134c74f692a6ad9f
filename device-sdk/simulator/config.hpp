#pragma once
// What the simulator is told: flags, certificates, recordings. The only part of it that reads the command line and the
// PKI folder.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coap/credentials.hpp"

namespace ward {

struct Config {
  std::function<void(std::string_view)> key_log;  // SSLKEYLOGFILE, in debug builds
  std::string server = "localhost";
  std::uint16_t port = 5684;
  std::string pki;
  std::size_t devices = 0;  // 0: as many as there are recordings, or certificates
  std::vector<std::string> replay;
  std::vector<std::string> waveforms;  // names of the catalogue
  std::optional<double> speed = 1;     // of the replay; empty = as fast as it goes
  std::optional<double> seconds;       // real time from the first sample on
  double hysteresis = 0.02;
  double shortest_s = 10;
  std::string journal_dir, audit_dir, ready_file, status_file;
  double drain_s = 30;
  std::uint64_t seed = 1;
  bool list = false;
};

/// A device's certificate, as the folder names it.
struct Badge {
  std::string label;
  std::string urn;
  coap::Credentials credentials;
};

/// Reads the command line. Empty: run with `config`; else the exit code, all being said.
std::optional<int> parse(int argc, const char* const* argv, Config& config);

/// The badges to be used, in the order of their labels: as many as devices or recordings are asked for. Throws
/// std::runtime_error with one sentence when the folder lacks something.
std::vector<Badge> load_badges(const Config& config);

}  // namespace ward
