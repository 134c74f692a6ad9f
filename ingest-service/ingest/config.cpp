#include "ingest/config.hpp"

#include <cstdlib>

#include "coap/key_log.hpp"
#include "daemon/pem_files.hpp"
#include "daemon/settings.hpp"

namespace wardlink::ingest {
namespace {

void describe(CLI::App& app, Config& config) {
  CredentialFiles& files = config.files;
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
  app.add_option("--cert", files.cert, "PEM: this server's certificate towards devices");
  app.add_option("--key", files.key, "PEM: its private key, P-256");
  app.add_option("--device-ca", files.device_ca, "PEM: the authority whose devices are let in");
  app.add_flag("--allow-ccm-8", config.allow_ccm_8, "Take AES-128-CCM-8 too, for devices that know nothing better");
  app.add_option("--storage", config.storage, "HOST:PORT of wardlink-storage; the host must be in its certificate")
      ->capture_default_str();
  app.add_option("--storage-cert", files.storage_cert, "PEM: this client's certificate towards storage");
  app.add_option("--storage-key", files.storage_key, "PEM: its private key");
  app.add_option("--storage-ca", files.storage_ca, "PEM: the authority of storage's certificate");
  app.add_option("--readings-capacity", config.readings_capacity,
                 "Measurement sets a shard keeps while storage is away; beyond it the oldest are shed and counted")
      ->check(CLI::Range(std::size_t{256}, std::size_t{16'777'216}))
      ->capture_default_str();
  app.add_option(
         "--drain", config.drain_seconds,
         "Seconds that storage has at the end to take what waits; readings that then remain are lost, and counted. "
         "Whoever stops this service must wait longer: docker and podman kill after 10")
      ->check(CLI::Range(1, 300))
      ->capture_default_str();
  app.add_option("--metrics-port", config.metrics_port, "TCP port of /metrics on 127.0.0.1; 0 = any that is free")
      ->capture_default_str();
  app.add_option("--ready-file", config.ready_file, "Write {\"port\",\"metrics_port\",\"pid\"} there once it serves");
  app.add_flag("--healthcheck", config.healthcheck,
               "Ask a running wardlink-ingest (its --metrics-port or --ready-file) whether it serves: exit code 0 or 1")
      ->configurable(false);
  daemon::add_settings_file(app);
}

}  // namespace

std::optional<Config> read_config(int argc, const char* const* argv, int& exit_code) {
  Config config;
  CLI::App app("", "wardlink-ingest");
  describe(app, config);
  if (!daemon::read_settings(app, argc, argv, exit_code)) return std::nullopt;
#ifdef WARDLINK_KEY_LOG
  if (const char* path = std::getenv("SSLKEYLOGFILE")) config.key_log = coap::key_log_file(path);
#endif
  if (!config.healthcheck) config.credentials = read_credentials(config.files);
  return config;
}

IngestCredentials read_credentials(const CredentialFiles& files) {
  using daemon::PemFile;
  using daemon::read_authorities;
  using daemon::read_pem;
  const PemFile cert{"--cert", files.cert}, key{"--key", files.key};
  const PemFile storage_cert{"--storage-cert", files.storage_cert}, storage_key{"--storage-key", files.storage_key};
  IngestCredentials read{
      {read_pem(cert), read_pem(key), read_authorities({"--device-ca", files.device_ca})},
      {read_pem(storage_cert), read_pem(storage_key), read_authorities({"--storage-ca", files.storage_ca})}};
  daemon::expect_pair(cert, read.dtls.certificate_pem, key, read.dtls.private_key_pem);
  daemon::expect_pair(storage_cert, read.storage.certificate_pem, storage_key, read.storage.private_key_pem);
  return read;
}

}  // namespace wardlink::ingest
