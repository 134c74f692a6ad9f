#include "storage/config.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "daemon/pem_files.hpp"
#include "daemon/settings.hpp"
#include "names/urn.hpp"
#include "storage/names.hpp"
#include "storage/status.hpp"

namespace wardlink::storage {
namespace {

constexpr const char* about =
    "Wardlink's storage service: keeps vital signs and alarms in PostgreSQL, and answers clinicians' programs over "
    "gRPC.\n"
    "\n"
    "Every connection needs a client certificate signed by --ca; its SAN URI (urn:wardlink:...) is the subject, and "
    "the\n"
    "grants in the database say what it may call. A first grant comes from the command line:\n"
    "\n"
    "  wardlink-storage --database \"$(scripts/private-postgres start DIR)\" \\\n"
    "    --cert pki/storage.pem --key pki/storage.key --ca pki/service-ca.pem \\\n"
    "    --grant urn:wardlink:service:ingest=ingest --grant urn:wardlink:client:alice=clinician\n"
    "\n"
    "Is it well? Ask with a client's certificate:\n"
    "\n"
    "  wardlink-storage --healthcheck --listen 127.0.0.1:50051 \\\n"
    "    --cert pki/clients/alice.pem --key pki/clients/alice.key --ca pki/service-ca.pem\n";

}  // namespace

Grant parse_grant(const std::string& text) {
  const auto equals = text.rfind('=');
  if (equals == std::string::npos) throw std::runtime_error("The grant " + text + " is not SUBJECT=ROLE.");
  Grant grant{text.substr(0, equals), text.substr(equals + 1), ""};
  if (const auto at = grant.role.find('@'); at != std::string::npos) {
    try {
      grant.ward = parse_ward("ward", ward_name(grant.role.substr(at + 1)));
    } catch (const InvalidArgument&) {
      throw std::runtime_error("The grant " + text + " names a ward that is not made of a-z, 0-9 and -.");
    }
    grant.role.resize(at);
  }
  const auto subject = names::name_among(std::array{grant.subject}, "urn:wardlink:");
  if (!subject) {
    throw std::runtime_error("The grant " + text + " has a subject that is not urn:wardlink:... of at most 63 characters.");
  }
  grant.subject = *subject;
  constexpr std::array<std::string_view, 4> known = {"ingest", "viewer", "clinician", "admin"};
  if (std::ranges::find(known, grant.role) == known.end()) {
    throw std::runtime_error("The grant " + text + " has a role that is none of ingest, viewer, clinician, admin.");
  }
  return grant;
}

std::optional<ProgramConfig> read_config(int argc, const char* const* argv, int& exit_code) {
  ProgramConfig config;
  std::vector<std::string> grants;
  daemon::Settings settings("wardlink-storage", WARDLINK_VERSION, about);
  settings.add("--listen", config.server.address, "HOST:PORT to serve on; port 0: the kernel picks one");
  settings.add("--database", config.database, "PostgreSQL: a libpq connection string or URI");
  settings.add("--cert", config.files.certificate, "certificate, PEM (with --healthcheck: a client's)");
  settings.add("--key", config.files.key, "its private key, PEM");
  settings.add("--ca", config.files.authority, "the authority that signs servers and clients, PEM");
  settings.add("--grant", grants, "SUBJECT=ROLE or SUBJECT=ROLE@WARD, made when missing; may be repeated");
  std::size_t recheck_seconds = 3;
  settings.add("--max-connections", config.server.limits.connections,
               "TCP connections at once; further ones are closed before TLS", daemon::IntegerRange{1, 100'000});
  settings.add("--max-connections-per-host", config.server.limits.per_host, "of these, from one address",
               daemon::IntegerRange{1, 100'000});
  settings.add("--max-calls-per-second", config.server.calls_per_second,
               "calls that one subject may begin; further ones end with RESOURCE_EXHAUSTED",
               daemon::IntegerRange{1, 1'000'000});
  settings.add("--max-calls-at-once", config.server.calls_at_once,
               "calls that one subject may have in progress, streams too; further ones end likewise",
               daemon::IntegerRange{1, 256});
  settings.add("--max-ingest-streams", config.server.ingest_streams,
               "streams from ingest at once, two for each of its shards", daemon::IntegerRange{1, 1'000});
  settings.add("--grant-recheck", recheck_seconds,
               "seconds until a stream whose grant was taken away is ended with PERMISSION_DENIED, 1 to 60",
               daemon::IntegerRange{1, 60});
  settings.add("--metrics-port", config.metrics_port, "TCP port of /metrics on 127.0.0.1; 0 = any that is free");
  settings.add("--ready-file", config.ready_file, "a JSON object is written here once it serves");
  settings.add_for_command_line("--healthcheck", config.healthcheck,
                                "ask the service at --listen; exit code 0 when it serves");
  if (!settings.read(argc, argv, exit_code)) return std::nullopt;
  if (!config.healthcheck && config.database.empty())
    throw std::runtime_error("--database is missing: it says where PostgreSQL is. See --help.");
  config.server.grant_recheck = std::chrono::seconds(recheck_seconds);
  config.server.credentials = read_credentials(config.files);
  for (const auto& text : grants) config.grants.push_back(parse_grant(text));
  return config;
}

ServerCredentials read_credentials(const CredentialFiles& files) {
  const daemon::PemFile certificate{"--cert", files.certificate}, key{"--key", files.key};
  ServerCredentials read{daemon::read_pem(certificate), daemon::read_pem(key),
                         daemon::read_authorities({"--ca", files.authority})};
  daemon::expect_pair(certificate, read.certificate, key, read.key);
  return read;
}

}  // namespace wardlink::storage
