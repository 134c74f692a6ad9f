#include "ingest/config.hpp"

#include <cstdlib>

#include "coap/key_log.hpp"
#include "daemon/pem_files.hpp"
#include "daemon/settings.hpp"

namespace wardlink::ingest {
namespace {

constexpr const char* about =
    "wardlink-ingest: takes the vital signs and alarms of wearables over CoAP and DTLS, and hands them to\n"
    "wardlink-storage over mutual-TLS gRPC. An alarm is acknowledged to its device when storage has committed it.";
constexpr const char* footer =
    "Example, with the development certificates of certs/make-pki in ./pki:\n"
    "  wardlink-ingest --cert pki/ingest.pem --key pki/ingest.key --device-ca pki/device-ca.pem \\\n"
    "    --storage localhost:50052 --storage-cert pki/ingest-client.pem --storage-key pki/ingest-client.key \\\n"
    "    --storage-ca pki/service-ca.pem\n"
    "SIGINT and SIGTERM end it: sessions are closed, what waits is handed over, the main counters are printed.";

void describe(daemon::Settings& settings, Config& config) {
  CredentialFiles& files = config.files;
  settings.add("--listen", config.listen,
               "Address to listen on, or a name: its first address that this machine has; :: takes IPv4 too");
  settings.add("--port", config.port, "UDP port for DTLS; 0 = any that is free");
  settings.add("--shards", config.shards, "Threads that share the port; 0 = one a core", daemon::IntegerRange{0, 256});
  settings.add("--cert", files.cert, "PEM: this server's certificate towards devices");
  settings.add("--key", files.key, "PEM: its private key, P-256");
  settings.add("--device-ca", files.device_ca, "PEM: the authority whose devices are let in");
  settings.add("--allow-ccm-8", config.allow_ccm_8, "Take AES-128-CCM-8 too, for devices that know nothing better");
  settings.add("--storage", config.storage,
               "HOST:PORT of wardlink-storage --serve ingest; the host must be in its certificate");
  settings.add("--storage-cert", files.storage_cert, "PEM: this client's certificate towards storage");
  settings.add("--storage-key", files.storage_key, "PEM: its private key");
  settings.add("--storage-ca", files.storage_ca, "PEM: the authority of storage's certificate");
  settings.add("--readings-capacity", config.readings_capacity,
               "Measurement sets a shard keeps while storage is away; beyond it the oldest are shed and counted",
               daemon::SizeRange{256, 16'777'216});
  settings.add(
      "--drain", config.drain_seconds,
      "Seconds that storage has at the end to take what waits; readings that then remain are lost, and counted. "
      "Whoever stops this service must wait longer: docker and podman kill after 10",
      daemon::IntegerRange{1, 300});
  settings.add("--metrics-port", config.metrics_port, "TCP port of /metrics on 127.0.0.1; 0 = any that is free");
  settings.add("--ready-file", config.ready_file, "Write {\"port\",\"metrics_port\",\"pid\"} there once it serves");
  settings.add_for_command_line(
      "--healthcheck", config.healthcheck,
      "Ask a running wardlink-ingest (its --metrics-port or --ready-file) whether it serves: exit code 0 or 1");
}

}  // namespace

std::optional<Config> read_config(int argc, const char* const* argv, int& exit_code) {
  Config config;
  daemon::Settings settings("wardlink-ingest", WARDLINK_VERSION, about, footer);
  describe(settings, config);
  if (!settings.read(argc, argv, exit_code)) return std::nullopt;
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
