#include "ingest/config.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace wardlink::ingest {
namespace {

struct Paths {
  std::string cert, key, device_ca, storage_cert, storage_key, storage_ca;
};

std::string read_pem(const std::string& option, const std::string& path) {
  if (path.empty()) throw std::runtime_error(option + " is missing: it names a PEM file. See --help.");
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (file) text << file.rdbuf();
  if (!file) throw std::runtime_error("Cannot read " + path + " (" + option + "): " + std::strerror(errno) + ".");
  if (text.str().find("-----BEGIN ") == std::string::npos)
    throw std::runtime_error(path + " (" + option + ") is not a PEM file: it holds no \"-----BEGIN\" line.");
  return text.str();
}

void describe(CLI::App& app, Config& config, Paths& paths) {
  app.description(
      "wardlink-ingest: takes the vital signs and alarms of wearables over CoAP and DTLS, and hands them to\n"
      "wardlink-storage over mutual-TLS gRPC. An alarm is acknowledged to its device when storage has committed it.");
  app.footer(
      "Example, with the development certificates of certs/make-pki in ./pki:\n"
      "  wardlink-ingest --cert pki/ingest.pem --key pki/ingest.key --device-ca pki/device-ca.pem \\\n"
      "    --storage localhost:50051 --storage-cert pki/ingest-client.pem --storage-key pki/ingest-client.key \\\n"
      "    --storage-ca pki/service-ca.pem\n"
      "SIGINT and SIGTERM end it: sessions are closed, what waits is handed over, the main counters are printed.");
  app.set_version_flag("--version", "wardlink-ingest " WARDLINK_VERSION);
  app.add_option("--listen", config.listen, "Address to listen on; :: takes IPv4 too")->capture_default_str();
  app.add_option("--port", config.port, "UDP port for DTLS; 0 = any that is free")->capture_default_str();
  app.add_option("--shards", config.shards, "Threads that share the port; 0 = one a core")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  app.add_option("--cert", paths.cert, "PEM: this server's certificate towards devices");
  app.add_option("--key", paths.key, "PEM: its private key, P-256");
  app.add_option("--device-ca", paths.device_ca, "PEM: the authority whose devices are let in");
  app.add_flag("--allow-ccm-8", config.allow_ccm_8, "Take AES-128-CCM-8 too, for devices that know nothing better");
  app.add_option("--storage", config.storage, "HOST:PORT of wardlink-storage; the host must be in its certificate")
      ->capture_default_str();
  app.add_option("--storage-cert", paths.storage_cert, "PEM: this client's certificate towards storage");
  app.add_option("--storage-key", paths.storage_key, "PEM: its private key");
  app.add_option("--storage-ca", paths.storage_ca, "PEM: the authority of storage's certificate");
  app.add_option("--readings-capacity", config.readings_capacity,
                 "Measurement sets a shard keeps while storage is away; beyond it the oldest are shed and counted")
      ->check(CLI::Range(std::size_t{256}, std::size_t{16'777'216}))
      ->capture_default_str();
  app.add_option("--metrics-port", config.metrics_port, "TCP port of /metrics on 127.0.0.1; 0 = any that is free")
      ->capture_default_str();
  app.add_option("--ready-file", config.ready_file, "Write {\"port\",\"metrics_port\",\"pid\"} there once it serves");
  app.add_flag(
      "--healthcheck", config.healthcheck,
      "Ask a running wardlink-ingest (its --metrics-port or --ready-file) whether it serves: exit code 0 or 1");
}

}  // namespace

std::optional<Config> read_config(int argc, char** argv, int& exit_code) {
  Config config;
  Paths paths;
  CLI::App app;
  describe(app, config, paths);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error) == 0 ? 0 : 1;
    return std::nullopt;
  }
  if (config.healthcheck) return config;
  config.dtls = {read_pem("--cert", paths.cert), read_pem("--key", paths.key),
                 read_pem("--device-ca", paths.device_ca)};
  config.storage_credentials = {read_pem("--storage-cert", paths.storage_cert),
                                read_pem("--storage-key", paths.storage_key),
                                read_pem("--storage-ca", paths.storage_ca)};
  return config;
}

}  // namespace wardlink::ingest
