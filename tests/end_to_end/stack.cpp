#include "stack.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <sstream>
#include <stdexcept>

#include "places.hpp"

namespace wardlink::testing {
namespace {

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const auto at = text.rfind('\n');
  return at == std::string::npos ? text : text.substr(at + 1);
}

std::string on_loopback(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

void append(std::vector<std::string>& command, const std::vector<std::string>& more) {
  command.insert(command.end(), more.begin(), more.end());
}

/// Waits for a daemon's ready file and reads it.
nlohmann::json ready(Process& process, const std::string& file) {
  const bool there = eventually([&] { return std::filesystem::exists(file) || !process.running(); });
  if (!there || !std::filesystem::exists(file)) throw std::runtime_error("not ready: " + process.log());
  return nlohmann::json::parse(read_file(file));
}

std::string http_get(std::uint16_t port, const std::string& target) {
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const auto request = "GET " + target + " HTTP/1.0\r\n\r\n";
    if (write(connection, request.data(), request.size()) > 0) {
      char buffer[4096];
      for (ssize_t n = 0; (n = read(connection, buffer, sizeof buffer)) > 0;) {
        answer.append(buffer, static_cast<std::size_t>(n));
      }
    }
  }
  close(connection);
  return answer;
}

std::map<std::string, double> samples_of(const std::string& metrics) {
  std::map<std::string, double> samples;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.rfind(' ');
    if (line.empty() || line[0] == '#' || space == std::string::npos) continue;
    samples[line.substr(0, space)] = std::strtod(line.c_str() + space, nullptr);
  }
  return samples;
}

/// NOT_FOUND is an empty list here: storage hears of a device a moment after its session stands.
void expect_ok(const grpc::Status& status) {
  if (!status.ok() && status.error_code() != grpc::StatusCode::NOT_FOUND)
    throw std::runtime_error("gRPC: " + status.error_message());
}

}  // namespace

std::shared_ptr<grpc::Channel> open_channel(std::uint16_t port, const coap::Credentials& credentials) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = credentials.trusted_ca_pem;
  options.pem_cert_chain = credentials.certificate_pem;
  options.pem_private_key = credentials.private_key_pem;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel("localhost:" + std::to_string(port), grpc::SslCredentials(options), arguments);
}

Stack::Stack(const std::vector<std::string>& postgres_environment) : postgres_environment_(postgres_environment) {
  run({places::source("certs/make-pki"), "init", pki()});
  start_postgres();
  start_storage();
  start_api();
  start_ingest();
}

Stack::~Stack() {
  ingest = {};
  api = {};
  storage = {};
  try {
    stop_postgres();
  } catch (const std::exception&) {
    // The folder goes in any case.
  }
}

void Stack::start_postgres() {
  std::vector<std::string> command{"env"};
  append(command, postgres_environment_);
  append(command, {places::source("scripts/private-postgres"), "start", path("postgres")});
  database_ = last_line(run(command));
}

void Stack::stop_postgres() { run({places::source("scripts/private-postgres"), "stop", path("postgres")}); }

void Stack::start_storage(const std::string& database) {
  storage = storage_process("ingest", "storage", database.empty() ? database_ : database, storage_);
}

void Stack::start_api() {
  api = storage_process("api", "api", database_, api_);
  channel_ = open_channel(api_.port, credentials("clients/admin"));
}

Process Stack::another_storage(const std::string& name, std::uint16_t& port) const {
  Ports ports{port, 0};
  auto process = storage_process("api", name, database_, ports);
  port = ports.port;
  return process;
}

std::vector<std::string> Stack::storage_arguments(const std::string& database, const std::string& ready_file) const {
  return {"--database",   database,
          "--cert",       pki() + "/storage.pem",
          "--key",        pki() + "/storage.key",
          "--ca",         pki() + "/service-ca.pem",
          "--grant",      "urn:wardlink:service:ingest=ingest",
          "--grant",      "urn:wardlink:client:admin=admin",
          "--ready-file", ready_file};
}

Process Stack::storage_process(const std::string& serve, const std::string& name, const std::string& database,
                               Ports& ports) const {
  const auto ready_file = path(name + ".ready");
  std::filesystem::remove(ready_file);
  const auto listen = on_loopback(ports.port);
  std::vector<std::string> command;
  if (serve == "api") command = {"nice", "-n", "10"};  // as --serve all starts it
  append(command, {places::program("wardlink-storage"), "--serve", serve});
  if (serve == "api") {
    append(command, {"--listen", listen, "--metrics-port", "0", "--people-ca", pki() + "/people-ca.pem"});
  } else {
    append(command, {"--listen-ingest", listen, "--metrics-port-ingest", "0"});
  }
  append(command, storage_arguments(database, ready_file));
  Process process(std::move(command), path(name + ".log"));
  const auto told = ready(process, ready_file);
  ports = {told.at("port"), told.at("metrics_port")};
  return process;
}

void Stack::supervise_storage() {
  api = {};
  storage = {};
  const auto ready_file = path("all.ready");
  std::vector<std::string> command{places::program("wardlink-storage"), "--serve", "all"};
  append(command, {"--listen", on_loopback(api_.port), "--listen-ingest", on_loopback(storage_.port)});
  append(command, {"--metrics-port", "0", "--metrics-port-ingest", "0", "--people-ca", pki() + "/people-ca.pem"});
  append(command, storage_arguments(database_, ready_file));
  storage = Process(std::move(command), path("all.log"));
  const auto told = ready(storage, ready_file);
  api_.metrics_port = told.at("metrics_port");
  storage_.metrics_port = told.at("ingest_metrics_port");
}

void Stack::start_ingest(int drain_seconds) {
  const auto ready_file = path("ingest.ready");
  std::filesystem::remove(ready_file);
  ingest = Process({places::program("wardlink-ingest"),
                    "--listen",
                    "127.0.0.1",
                    "--port",
                    std::to_string(ingest_port_),
                    "--shards",
                    "2",
                    "--cert",
                    pki() + "/ingest.pem",
                    "--key",
                    pki() + "/ingest.key",
                    "--device-ca",
                    pki() + "/device-ca.pem",
                    "--storage",
                    "localhost:" + std::to_string(storage_.port),
                    "--storage-cert",
                    pki() + "/ingest-client.pem",
                    "--storage-key",
                    pki() + "/ingest-client.key",
                    "--storage-ca",
                    pki() + "/service-ca.pem",
                    "--drain",
                    std::to_string(drain_seconds),
                    "--metrics-port",
                    "0",
                    "--ready-file",
                    ready_file},
                   path("ingest.log"));
  const auto told = ready(ingest, ready_file);
  ingest_port_ = told.at("port");
  metrics_port_ = told.at("metrics_port");
}

std::string Stack::make_pki(const std::string& verb, const std::vector<std::string>& arguments) const {
  std::vector<std::string> command{places::source("certs/make-pki"), verb, pki()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(command);
}

coap::Credentials Stack::credentials(const std::string& name) const {
  return {read_file(pki() + "/" + name + ".pem"), read_file(pki() + "/" + name + ".key"),
          read_file(pki() + "/service-ca.pem")};
}

std::string Stack::urn(const std::string& label) const {
  const auto text =
      run({"openssl", "x509", "-in", pki() + "/devices/" + label + ".pem", "-noout", "-ext", "subjectAltName"});
  const auto at = text.find("urn:");
  return text.substr(at, text.find_first_of(" \n,", at) - at);
}

Process Stack::ward(std::vector<std::string> arguments, std::uint16_t port) const {
  std::vector<std::string> command{places::program("wardlink-ward"),
                                   "--server",
                                   "localhost",
                                   "--port",
                                   std::to_string(port != 0 ? port : ingest_port_),
                                   "--pki",
                                   pki()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return Process(std::move(command), path("ward.log"));
}

std::string Stack::client(std::vector<std::string> arguments) const {
  const auto name = pki() + "/clients/admin";
  std::vector<std::string> command{places::program("wardlink"),
                                   "--server",
                                   "localhost:" + std::to_string(api_.port),
                                   "--cert",
                                   name + ".pem",
                                   "--key",
                                   name + ".key",
                                   "--ca",
                                   pki() + "/service-ca.pem",
                                   "--timeout",
                                   "300"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(command);
}

std::string Stack::sql(const std::string& statement) const {
  pqxx::connection connection(database_);
  pqxx::work work(connection);
  const auto rows = work.exec(statement);
  work.commit();
  return rows.empty() || rows.columns() == 0 ? std::string{} : rows[0][0].as<std::string>("");
}

std::map<std::string, double> Stack::scrape(std::uint16_t port) {
  std::map<std::string, double> samples;
  eventually([&] {
    samples = samples_of(http_get(port, "/metrics"));
    const auto silent = samples.find("wardlink_ingest_shards_silent");
    return silent == samples.end() || silent->second == 0;
  });
  return samples;
}

std::map<std::string, double> Stack::samples(const std::string& metric) const {
  if (!metric.starts_with("wardlink_storage_")) return scrape(metrics_port_);
  auto sum = scrape(storage_.metrics_port);
  for (const auto& [name, value] : scrape(api_.metrics_port)) sum[name] += value;
  return sum;
}

double Stack::metric(const std::string& name) const {
  const auto all = samples(name);
  const auto at = all.find(name);
  return at == all.end() ? 0 : at->second;
}

double Stack::metric_sum(const std::string& prefix) const {
  double sum = 0;
  for (const auto& [name, value] : samples(prefix)) {
    if (name.starts_with(prefix)) sum += value;
  }
  return sum;
}

std::vector<v1::MeasurementSet> Stack::readings(const std::string& parent) const {
  const auto stub = v1::VitalsService::NewStub(channel_);
  std::vector<v1::MeasurementSet> all;
  v1::ListReadingsRequest request;
  request.set_parent(parent);
  do {
    grpc::ClientContext context;
    v1::ListReadingsResponse response;
    expect_ok(stub->ListReadings(&context, request, &response));
    all.insert(all.end(), response.measurement_sets().begin(), response.measurement_sets().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

std::vector<v1::Alarm> Stack::alarms(const std::string& parent) const {
  const auto stub = v1::AlarmService::NewStub(channel_);
  std::vector<v1::Alarm> all;
  v1::ListAlarmsRequest request;
  request.set_parent(parent);
  do {
    grpc::ClientContext context;
    v1::ListAlarmsResponse response;
    expect_ok(stub->ListAlarms(&context, request, &response));
    all.insert(all.end(), response.alarms().begin(), response.alarms().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

std::shared_ptr<grpc::Channel> Stack::connect(const coap::Credentials& credentials) const {
  return open_channel(api_.port, credentials);
}

grpc::StatusCode Stack::ask() const {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes{1});
  v1::GetLatestResponse response;
  return v1::VitalsService::NewStub(channel_)->GetLatest(&context, {}, &response).error_code();
}

std::string recordings_folder() {
  const char* told = std::getenv("WARDLINK_REALDATA");
  const std::string folder = told != nullptr ? told : places::source("../shared/realdata");
  return std::filesystem::exists(folder + "/THRESHOLD_EPISODES.csv") ? folder : std::string{};
}

}  // namespace wardlink::testing
