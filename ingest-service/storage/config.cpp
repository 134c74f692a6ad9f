#include "storage/config.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <stdexcept>

#include "daemon/pem_files.hpp"
#include "daemon/settings.hpp"
#include "names/urn.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

constexpr const char* about =
    "Wardlink's storage service: keeps vital signs and alarms in PostgreSQL, and answers clinicians' programs over "
    "gRPC.\n"
    "\n"
    "It is two processes on one database. --serve ingest takes the records of wardlink-ingest (--listen-ingest, "
    "50052)\n"
    "and keeps the schema; --serve api answers people (--listen, 50051). Whatever happens to the second delays no "
    "alarm.\n"
    "--serve all, the default, starts both, and starts anew the one that ends. Each takes --config with the same "
    "file.\n"
    "\n"
    "Every connection needs a client certificate signed by --ca, or, on the API's port, by --people-ca; its SAN URI\n"
    "(urn:wardlink:...) is the subject, and the grants in the database say what it may call. A first grant comes from "
    "the\n"
    "command line:\n"
    "\n"
    "  wardlink-storage --database \"$(scripts/private-postgres start DIR)\" \\\n"
    "    --cert pki/storage.pem --key pki/storage.key --ca pki/service-ca.pem --people-ca pki/people-ca.pem \\\n"
    "    --grant urn:wardlink:service:ingest=ingest --grant urn:wardlink:client:alice=clinician\n"
    "\n"
    "Is it well? Ask each port, without a grant: the API's with a person's certificate, the other with a service's "
    "(one\n"
    "of --people-ca does not get in there). --serve all asks the API's alone:\n"
    "\n"
    "  wardlink-storage --healthcheck --listen 127.0.0.1:50051 \\\n"
    "    --cert pki/clients/alice.pem --key pki/clients/alice.key --ca pki/service-ca.pem\n"
    "  wardlink-storage --healthcheck --serve ingest --listen-ingest 127.0.0.1:50052 \\\n"
    "    --cert pki/ingest-client.pem --key pki/ingest-client.key --ca pki/service-ca.pem\n";

/// Options that one of the two processes alone understands on its command line. In a file each may stand: both read it.
struct OwnOption {
  std::string_view name;
  Serve whose;
  bool has_value = true;
};
constexpr std::array<OwnOption, 7> own_options = {{{"--listen", Serve::api},
                                                   {"--people-ca", Serve::api},
                                                   {"--refuse-service-clients", Serve::api, false},
                                                   {"--metrics-port", Serve::api},
                                                   {"--listen-ingest", Serve::ingest},
                                                   {"--metrics-port-ingest", Serve::ingest},
                                                   {"--max-ingest-streams", Serve::ingest}}};

/// --name or --name=value.
bool is_option(std::string_view word, std::string_view option) {
  return word.starts_with(option) && (word.size() == option.size() || word[option.size()] == '=');
}

const OwnOption* own_option(std::string_view word) {
  const auto* const found =
      std::ranges::find_if(own_options, [&](const OwnOption& each) { return is_option(word, each.name); });
  return found == own_options.end() ? nullptr : found;
}

const char* name_of(Serve serve) { return serve == Serve::all ? "all" : serve == Serve::ingest ? "ingest" : "api"; }

Serve parse_serve(const std::string& text) {
  for (const auto serve : {Serve::all, Serve::ingest, Serve::api}) {
    if (text == name_of(serve)) return serve;
  }
  throw std::runtime_error("--serve is none of all, ingest, api: " + text + ".");
}

/// "memory:" is a store that two processes cannot share.
Store parse_store(const std::string& database, Serve serve) {
  if (database != "memory:") return Store::postgres;
  if (serve == Serve::all) return Store::memory;
  throw std::runtime_error(std::string("--database memory: is kept by one process, that of --serve all, and this is "
                                       "--serve ") +
                           name_of(serve) + ".");
}

/// Who gives a port to a process that does not open it would wait for it in vain.
void refuse_others(int argc, const char* const* argv, Serve serve) {
  if (serve == Serve::all) return;
  for (int i = 1; i < argc; ++i) {
    const auto* option = own_option(argv[i]);
    if (option == nullptr || option->whose == serve) continue;
    throw std::runtime_error(std::string(option->name) + " is for --serve " + name_of(option->whose) +
                             ", and this is --serve " + name_of(serve) + ": leave it out.");
  }
}

}  // namespace

std::vector<std::string> child_arguments(int argc, const char* const* argv, const ProgramConfig& config, Serve which,
                                         const std::optional<daemon::Ports>& before) {
  const bool for_ingest = which == Serve::ingest;
  const std::string suffix = for_ingest ? "-ingest" : "", listen = "--listen" + suffix,
                    metrics = "--metrics-port" + suffix;
  std::vector<std::string> words{argv[0]};
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto* own = own_option(word);
    const bool dropped = is_option(word, "--serve") || is_option(word, "--ready-file") ||
                         (own != nullptr && (own->whose != which || own->name == listen || own->name == metrics));
    if (!dropped) {
      words.emplace_back(word);
    } else if ((own == nullptr || own->has_value) && word.find('=') == std::string_view::npos) {
      ++i;
    }
  }
  auto address = for_ingest ? config.listen_ingest : config.listen;
  auto metrics_port = for_ingest ? config.metrics_port_ingest : config.metrics_port;
  if (before) {
    address = address.substr(0, address.rfind(':') + 1) + std::to_string(before->port);
    metrics_port = before->metrics_port;
  }
  words.insert(words.end(), {"--serve", name_of(which), listen, address, metrics, std::to_string(metrics_port)});
  return words;
}

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
  if (grant.role == "ingest" && !grant.ward.empty()) {
    throw std::runtime_error("The grant " + text +
                             " names a ward, but ingest writes what devices of all wards say: leave it out.");
  }
  const auto subject = names::name_among(std::array{grant.subject}, "urn:wardlink:");
  if (!subject) {
    throw std::runtime_error("The grant " + text +
                             " has a subject that is not urn:wardlink:... of at most 63 characters.");
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
  std::string serve = name_of(config.serve);
  settings.add("--serve", serve, "all, or one of the two: ingest takes records, api answers people");
  settings.add("--listen", config.listen, "HOST:PORT of the API; port 0: the kernel picks one");
  settings.add("--listen-ingest", config.listen_ingest, "HOST:PORT for ingest; port 0: the kernel picks one");
  settings.add("--database", config.database,
               "PostgreSQL: a libpq connection string or URI; memory: keeps nothing when it ends, to try things");
  settings.add("--cert", config.files.certificate, "certificate, PEM (with --healthcheck: a client's)");
  settings.add("--key", config.files.key, "its private key, PEM");
  settings.add("--ca", config.files.authority, "the authority that signs servers, ingest and other services, PEM");
  settings.add("--people-ca", config.files.people_authority, "the authority that signs people's certificates, PEM");
  settings.add("--refuse-service-clients", config.files.refuse_service_clients,
               "the API lets in whom --people-ca signed, and nobody whom --ca signed");
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
  settings.add("--max-memory", config.max_memory,
               "MiB that one process may keep resident; with more it ends, to be started again: gRPC's own faults can "
               "make it grow",
               daemon::IntegerRange{1, 1'048'576});
  settings.add("--grant-recheck", recheck_seconds,
               "seconds until a stream whose grant was taken away is ended with PERMISSION_DENIED, 1 to 60",
               daemon::IntegerRange{1, 60});
  settings.add("--metrics-port", config.metrics_port,
               "TCP port of the API's /metrics on 127.0.0.1; 0 = any that is free");
  settings.add("--metrics-port-ingest", config.metrics_port_ingest, "the same of --serve ingest");
  settings.add("--ready-file", config.ready_file,
               "a JSON object with the ports is written here once it serves; with --serve all once both do");
  settings.add_for_command_line("--healthcheck", config.healthcheck,
                                "ask the service at --listen, with --serve ingest at --listen-ingest; exit code 0 when "
                                "it serves");
  if (!settings.read(argc, argv, exit_code)) return std::nullopt;
  config.serve = parse_serve(serve);
  refuse_others(argc, argv, config.serve);
  const bool for_ingest = config.serve == Serve::ingest;
  config.server.serves = for_ingest ? Server::Serves::ingest : Server::Serves::api;
  config.server.address = for_ingest ? config.listen_ingest : config.listen;
  if (!config.healthcheck && config.database.empty())
    throw std::runtime_error("--database is missing: it says where PostgreSQL is. See --help.");
  if (config.files.refuse_service_clients && config.files.people_authority.empty())
    throw std::runtime_error("--refuse-service-clients needs --people-ca: else nobody would be let in.");
  config.store = parse_store(config.database, config.serve);
  constexpr const char* boot_id = "/proc/sys/kernel/random/boot_id";
  if (!(std::ifstream(boot_id) >> config.server.host))
    throw std::runtime_error(std::string(boot_id) + " cannot be read: by it hosts are told apart.");
  config.server.grant_recheck = std::chrono::seconds(recheck_seconds);
  if (config.healthcheck) config.files.people_authority.clear();  // of clients, and the server's is asked for here
  config.server.credentials = read_credentials(config.files, config.server.serves);
  for (const auto& text : grants) config.grants.push_back(parse_grant(text));
  return config;
}

ServerCredentials read_credentials(const CredentialFiles& files, Server::Serves serves) {
  const daemon::PemFile certificate{"--cert", files.certificate}, key{"--key", files.key};
  ServerCredentials read{daemon::read_pem(certificate), daemon::read_pem(key),
                         daemon::read_authorities({"--ca", files.authority})};
  daemon::expect_pair(certificate, read.certificate, key, read.key);
  if (serves == Server::Serves::ingest || files.people_authority.empty()) return read;
  const auto people = daemon::read_authorities({"--people-ca", files.people_authority});
  read.authority = files.refuse_service_clients ? people : read.authority + "\n" + people;
  return read;
}

}  // namespace wardlink::storage
